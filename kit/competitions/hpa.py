"""Human Protein Atlas Image Classification (Kaggle 2018): 28 locations in four-channel images."""

from kit.competitions.base import Competition, OnKaggle
from kit.competitions.images import FilePerChannel
from kit.competitions.registry import competitions
from kit.competitions.tables import SpaceSeparated

SLUG = "human-protein-atlas-image-classification"
URL = f"https://www.kaggle.com/competitions/{SLUG}"

CLASS_NAMES = (
    "Nucleoplasm",
    "Nuclear membrane",
    "Nucleoli",
    "Nucleoli fibrillar center",
    "Nuclear speckles",
    "Nuclear bodies",
    "Endoplasmic reticulum",
    "Golgi apparatus",
    "Peroxisomes",
    "Endosomes",
    "Lysosomes",
    "Intermediate filaments",
    "Actin filaments",
    "Focal adhesion sites",
    "Microtubules",
    "Microtubule ends",
    "Cytokinetic bridge",
    "Mitotic spindle",
    "Microtubule organizing center",
    "Centrosome",
    "Lipid droplets",
    "Plasma membrane",
    "Cell junctions",
    "Mitochondria",
    "Aggresome",
    "Cytosol",
    "Cytoplasmic bodies",
    "Rods & rings",
)

# red: microtubules, green: the protein of interest, blue: nucleus, yellow: endoplasmic reticulum
CHANNELS = ("red", "green", "blue", "yellow")
DISPLAY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0))

hpa = competitions.register("hpa")(
    Competition(
        name="hpa",
        title="Human Protein Atlas Image Classification",
        class_keys=tuple(str(number) for number in range(len(CLASS_NAMES))),
        class_names=CLASS_NAMES,
        channels=CHANNELS,
        images=FilePerChannel("{id}_{channel}.png", CHANNELS),
        label_table="train.csv",
        label_format=SpaceSeparated("Id", "Target"),
        sample_table="sample_submission.csv",
        id_column="Id",
        answer_format=SpaceSeparated("Id", "Predicted"),
        display=DISPLAY,
        how_to_get_data=(
            f"Accept the rules at {URL}/rules, then run {{command}} (18 GB), or name a folder that "
            "has the files: --data DIR."
        ),
        kaggle=OnKaggle(SLUG, ("train.csv", "sample_submission.csv", "train.zip", "test.zip")),
    )
)
