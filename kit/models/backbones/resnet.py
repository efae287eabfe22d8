"""The small ResNets, with basic blocks, from keras-cv.

keras-cv has ImageNet weights for them but downloads them from Kaggle with another library. The kit
starts them from scratch or from a file.
"""

from typing import TYPE_CHECKING

from kit.models.registry import Shape, backbone
from kit.models.seeding import drawn_from

if TYPE_CHECKING:
    import keras


def _file(name: str, blocks: tuple[int, ...], parameters: int) -> None:
    @backbone(
        name,
        source="He et al. 2016, arXiv:1512.03385; keras-cv",
        native_size=224,
        min_size=16,
        parameters=parameters,
    )
    def build(shape: Shape, weights: str, seed: int) -> "keras.Model":
        import keras

        from kit.models.kerascv import resnet

        with drawn_from(seed):
            model = resnet(shape, blocks)
        # Plain Keras layers, which load without keras-cv.
        return keras.Model(model.input, model.output, name="backbone")


_file("resnet18", (2, 2, 2, 2), parameters=11_186_112)
_file("resnet34", (3, 4, 6, 3), parameters=21_301_696)
