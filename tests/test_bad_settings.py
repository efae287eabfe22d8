"""Wrong options and settings of models: one line, status 2, and no file is touched."""

import pytest
from bad_input import Place, rows_of

# A command and what its message says.
OPTIONS = r"""
train DATA | Missing argument 'model'. See: kit train --help
train nomodel DATA | No model 'nomodel'. Known: convnet, convnet_rgb,
train "" DATA | The word after train is empty. Is a variable of the shell
train "[/red]" DATA | No model '[/red]'. Known: convnet, convnet_rgb,
train convnet x DATA | Got unexpected extra argument(s) (x). See: kit train --help
train convnet DATA --size 0 | --set size=0: input should be greater than or equal to 16.
train convnet DATA --size 15 | --set size=15: input should be greater than or equal to 16.
train convnet DATA --size 1000000000 | --set size=1000000000: input should be less than or equal
train convnet DATA --size x | Invalid value for '--size': 'x' is not a valid int. See:
train convnet DATA --folds "" | The word after --folds is empty. Is a variable of the shell
train convnet DATA --folds 7 | --folds 7: allowed are 0 to 1, and all.
train convnet DATA --folds -1 | --folds: expected comma-separated numbers like 0,1, or all;
train convnet DATA --folds 0,0 | --folds: 0 is named twice. Name each once.
train convnet DATA --folds a | --folds: expected comma-separated numbers like 0,1, or all;
train convnet DATA --folds 0, | --folds: expected comma-separated numbers like 0,1, or all;
train convnet DATA --folds 1e1 | --folds: expected comma-separated numbers like 0,1, or all;
train convnet DATA --folds ALL | --folds: expected comma-separated numbers like 0,1, or all;
train convnet DATA --folds 99999999999999999999 | --folds 99999999999999999999: allowed are 0 to
train convnet DATA --seeds -1 | --set seed=-1: input should be greater than or equal to 0.
train convnet DATA --seeds 1.5 | --seeds: expected comma-separated numbers like 0,1; got
train convnet DATA --seeds 0,0 | --seeds: 0 is named twice. Name each once.
train convnet DATA --seeds 99999999999 | --set seed=99999999999: input should be less than or
train convnet DATA --seeds 0 --set seed=3 | --seeds and --set seed= both set the seed. Drop one
train convnet DATA --size 32 --set size=48 | --size 32 and --set size=48 contradict each
train convnet DATA --extra more.csv | --extra expects CSV:IMAGES, such as hpav18.csv:hpav18, got
train convnet DATA --extra nowhere.csv:d | --extra nowhere.csv:d: nowhere.csv does not exist.
train convnet DATA --extra d/train.csv:nowhere | --extra: nowhere is neither a folder nor a zip
train convnet DATA --extra ":" | --extra expects CSV:IMAGES, such as hpav18.csv:hpav18, got
train convnet DATA --extra d/train.csv: | --extra expects CSV:IMAGES, such as hpav18.csv:hpav18,
train convnet DATA --set sampling=table --set repeats=z:3 | No class 'z'. Known: a, b, c.
train convnet DATA --set sampling=repeat --set repeat_threshold=0 | --set repeat_threshold=0:
train convnet DATA --set sampling=repeat --set repeat_threshold=2 | --set repeat_threshold=2:
train convnet DATA --set repeat_cap=0.5 --set sampling=repeat | --set repeat_cap=0.5: input
predict DATA | Missing argument 'run'. See: kit predict --help
predict nothing DATA | No run 'nothing' in runs/own. Known: x-imported-
predict x DATA | x-imported-
predict x DATA --tta 0 | Invalid value for '--tta': 0 is not in the range 1<=x<=48.
predict x DATA --tta -1 | Invalid value for '--tta': -1 is not in the range 1<=x<=48.
predict x DATA --tta 49 | Invalid value for '--tta': 49 is not in the range 1<=x<=48.
predict x DATA --tta 1.5 | Invalid value for '--tta': '1.5' is not a valid int range.
predict x DATA --tta nan | Invalid value for '--tta': 'nan' is not a valid int range.
predict "[/red]" DATA | No run '[/red]' in runs/own. Known: x-imported-
predict ../x DATA | No run '../x' in runs/own. Known: x-imported-
predict best DATA | No run 'best' in runs/own. Known: x-imported-
models nothing | No model 'nothing'. Known: convnet, convnet_rgb,
models convnet --size 0 | --set size=0: input should be greater than or equal to 16.
models convnet --size 15 | --set size=15: input should be greater than or equal to 16.
models convnet --size 1000000000 --summary | --set size=1000000000: input should be less than or
models --size 64 | --size needs the name of a recipe: kit models NAME --size 64
models --set epochs=3 | --set needs the name of a recipe: kit models NAME --set
models --summary | --summary needs the name of a recipe: kit models NAME
models convnet --set x | --set expects key=value, got 'x'. Example: --set epochs=3
models convnet convnet --set epochs=nan | --set epochs=nan: input should be a valid integer,
models "" | The word after models is empty. Is a variable of the
models convnet --data d | No such option: --data. See: kit models --help
"""

# A setting of a recipe and what the message says.
SETTINGS = r"""
epochs | --set expects key=value, got 'epochs'. Example: --set
=3 | No recipe setting ''. Known: accumulate, augment, backbone,
epochs= | --set epochs=: input should be a valid integer, unable to
epochs=0 | --set epochs=0: input should be greater than or equal to 1.
epochs=-1 | --set epochs=-1: input should be greater than or equal to 1.
epochs=1e3 | --set epochs=1e3: input should be a valid integer, unable
epochs=1.5 | --set epochs=1.5: input should be a valid integer, unable
epochs=nan | --set epochs=nan: input should be a valid integer, unable
epochs=inf | --set epochs=inf: input should be a valid integer, unable
epochs=٣ | --set epochs=٣: input should be a valid integer, unable to
epochs=none | --set epochs=none: input should be a valid integer, unable
epochs=True | --set epochs=True: input should be a valid integer, unable
epochs=99999999999999999999999999 | --set epochs=99999999999999999999999999: input should be
epoch=3 | No recipe setting 'epoch'. Known: accumulate, augment,
name=x | No recipe setting 'name'. Known: accumulate, augment,
batch=0 | --set batch=0: input should be greater than or equal to 1.
batch=1000000000 | --set batch=1000000000: input should be less than or equal
accumulate=5 | --set accumulate=5: a batch of 32 does not divide into 5
accumulate=0 | --set accumulate=0: input should be greater than or equal
steps=0 | --set steps=0: input should be greater than or equal to 1.
steps=x | --set steps=x: input should be a valid integer, unable to
learning_rate=0 | --set learning_rate=0: input should be greater than 0.
learning_rate=-1 | --set learning_rate=-1: input should be greater than 0.
learning_rate=nan | --set learning_rate=nan: input should be a finite number.
learning_rate=inf | --set learning_rate=inf: input should be a finite number.
learning_rate=1e400 | --set learning_rate=1e400: input should be a finite number.
learning_rate=1e30 | --set learning_rate=1e30: input should be less than or
learning_rate=x | --set learning_rate=x: input should be a valid number,
dropout=1 | --set dropout=1: input should be less than 1.
dropout=-0.1 | --set dropout=-0.1: input should be greater than or equal
clip=-1 | --set clip=-1: input should be greater than or equal to 0.
ema=1 | --set ema=1: input should be less than 1.
warmup=1 | --set warmup=1: input should be less than 1.
warmup=-1 | --set warmup=-1: input should be greater than or equal to 0.
label_smoothing=1 | --set label_smoothing=1: input should be less than 1.
patience=0 | --set patience=0: input should be greater than or equal to
tta=0 | --set tta=0: input should be greater than or equal to 1.
tta=99 | --set tta=99: input should be less than or equal to 48.
seed=-1 | --set seed=-1: input should be greater than or equal to 0.
seed=99999999999 | --set seed=99999999999: input should be less than or equal
loss= | loss '' is not of the form name, name(number) or
loss=magic | No loss 'magic'. Known: asymmetric, bce, focal, lovasz,
loss=bce+ | loss '' is not of the form name, name(number) or
"loss=-1*bce" | loss '-1*bce': the weight of bce is -1; it must be above 0.
"loss=nan*bce" | loss 'nan*bce': 'nan' is not a number.
"loss=0*bce" | loss '0*bce': the weight of bce is 0; it must be above 0.
"loss=focal(gamma=nan)" | loss 'focal(gamma=nan)': 'nan' is not a number.
"loss=focal(gamma=-1)" | loss 'focal(gamma=-1)': gamma of focal is -1; it must be
"loss=focal(gamma=1e400)" | loss 'focal(gamma=1e400)': '1e400' is not a number.
"loss=focal(" | loss 'focal(' is not of the form name, name(number) or
"loss=focal(2,3)" | loss 'focal(2,3)': alpha of focal is 3; it must be between
"loss=focal()x" | loss 'focal()x' is not of the form name, name(number) or
augment= | augmentation '' is not of the form name, name(number) or
augment=magic | No augmentation 'magic'. Known: blur, channel_dropout,
augment=rotate+rotate | augmentation 'rotate+rotate' names rotate twice.
"augment=rotate(nan)" | augmentation 'rotate(nan)': 'nan' is not a number.
"augment=rotate(-5)" | augmentation 'rotate(-5)': rotate(-5) is out of range
"augment=rotate(1e9)" | augmentation 'rotate(1e9)': rotate(1e+09) is out of range
"augment=rotate(inf)" | augmentation 'rotate(inf)': 'inf' is not a number.
"mix=mixup(-1)" | mix 'mixup(-1)': alpha=-1 is out of range (allowed: 0.05 to
"mix=mixup(nan)" | mix 'mixup(nan)': 'nan' is not a number.
"mix=mixup(0)" | mix 'mixup(0)': alpha=0 is out of range (allowed: 0.05 to
"mix=mixup(inf)" | mix 'mixup(inf)': 'inf' is not a number.
mix= | mix '' is not of the form name, name(number) or number*name.
sampling=magic | No sampling 'magic'. Known: balanced, inverse, none,
sampling=table | sampling=table needs repeats: class:times, separated by
repeats=a:3 | --set repeats=a:3 has no effect with sampling=repeat. Omit
"validate=batch(0)" | validate 'batch(0)': expected a whole number of images from
"validate=batch(-1)" | validate 'batch(-1)': expected a whole number of images
"validate=batch(nan)" | validate 'batch(nan)': 'nan' is not a number.
"validate=batch(1.5)" | validate 'batch(1.5)': expected a whole number of images
validate=magic | No validate 'magic'. Known: batch, fold.
keep=best | --set keep=best: input should be 'val_loss', 'val_macro_f1'
keep_from=phase | --set keep_from=phase has no effect with frozen_epochs=0.
schedule=magic | --set schedule=magic: input should be 'constant', 'cosine',
optimizer=adamx | --set optimizer=adamx: input should be 'adam', 'adamw',
precision=float8 | --set precision=float8: input should be 'float32', 'mixed',
normalize=magic | --set normalize=magic: input should be 'scale', 'batch',
backbone=vgg61 | No backbone 'vgg61'. Known: convnet, convnextsmall,
backbone= | No backbone ''. Known: convnet, convnextsmall,
stem=magic | No stem 'magic'. Known: as_is, conv1x1, drop_yellow,
head=magic | No head 'magic'. Known: average, average_max, blocks,
weights=magic | --set weights=magic: expected imagenet, none, a .keras or
weights=own.py | --set weights=own.py: expected imagenet, none, a .keras or
weights=nowhere.keras | Weights file nowhere.keras not found. Name another, or
weights= | --set weights=: expected imagenet, none, a .keras or
resize=cubic | --set resize=cubic: input should be 'area' or 'linear'.
EPOCHS=3 | No recipe setting 'EPOCHS'. Known: accumulate, augment,
"epochs =3" | No recipe setting 'epochs '. Known: accumulate, augment,
"[/red]=3" | No recipe setting '[/red]'. Known: accumulate, augment,
"loss=[/red]" | loss '[/red]' is not of the form name, name(number) or
"""


@pytest.mark.parametrize(("words", "says"), rows_of(OPTIONS))
def test_wrong_options_of_models_end_in_one_line(finished: Place, words: str, says: str) -> None:
    assert says in finished.refusal(words)


@pytest.mark.parametrize(("setting", "says"), rows_of(SETTINGS))
def test_wrong_settings_end_in_one_line(finished: Place, setting: str, says: str) -> None:
    assert says in finished.refusal(f"train convnet DATA --set {setting}")
