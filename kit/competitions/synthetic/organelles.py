"""The functions that draw the 28 protein locations in green, by class number."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from kit.competitions.synthetic.body import Cell
from kit.competitions.synthetic.cytoplasm import (
    actin_filaments,
    aggresome,
    cell_junctions,
    centrosome,
    cytokinetic_bridge,
    cytoplasmic_bodies,
    cytosol,
    endoplasmic_reticulum,
    endosomes,
    focal_adhesion_sites,
    golgi_apparatus,
    intermediate_filaments,
    lipid_droplets,
    lysosomes,
    microtubule_ends,
    microtubule_organizing_center,
    microtubules,
    mitochondria,
    mitotic_spindle,
    peroxisomes,
    plasma_membrane,
    rods_and_rings,
)
from kit.competitions.synthetic.ink import Patch
from kit.competitions.synthetic.nucleus import (
    fibrillar_centre,
    nuclear_bodies,
    nuclear_membrane,
    nuclear_speckles,
    nucleoli,
    nucleoplasm,
)

Drawing = Callable[[Cell, np.random.Generator], Patch]

ORGANELLES: Mapping[int, Drawing] = MappingProxyType(
    {
        0: nucleoplasm,
        1: nuclear_membrane,
        2: nucleoli,
        3: fibrillar_centre,
        4: nuclear_speckles,
        5: nuclear_bodies,
        6: endoplasmic_reticulum,
        7: golgi_apparatus,
        8: peroxisomes,
        9: endosomes,
        10: lysosomes,
        11: intermediate_filaments,
        12: actin_filaments,
        13: focal_adhesion_sites,
        14: microtubules,
        15: microtubule_ends,
        16: cytokinetic_bridge,
        17: mitotic_spindle,
        18: microtubule_organizing_center,
        19: centrosome,
        20: lipid_droplets,
        21: plasma_membrane,
        22: cell_junctions,
        23: mitochondria,
        24: aggresome,
        25: cytosol,
        26: cytoplasmic_bodies,
        27: rods_and_rings,
    }
)
