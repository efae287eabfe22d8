"""Wrong words on the command line: one line, status 2, and no file is touched.

Each row is a command and what its message says.
"""

import pytest
from bad_input import Place, rows_of

TABLES = r"""
folds DATA --n 0 | --n 0: 24 rows allow 2 to 24 folds.
folds DATA --n 1 | --n 1: 24 rows allow 2 to 24 folds.
folds DATA --n -3 | --n -3: 24 rows allow 2 to 24 folds.
folds DATA --n 1000000000 | --n 1000000000: 24 rows allow 2 to 24 folds.
folds DATA --n x | Invalid value for '--n': 'x' is not a valid int. See: kit
folds DATA --n 2.5 | Invalid value for '--n': '2.5' is not a valid int. See: kit
folds DATA --seed -1 | --seed -1: a seed is an integer from 0 to 4294967295.
folds DATA --seed 99999999999999999999 | --seed 99999999999999999999: a seed is an integer from 0
folds DATA --seed x | Invalid value for '--seed': 'x' is not a valid int. See:
folds DATA --seed 4294967296 | --seed 4294967296: a seed is an integer from 0 to
folds DATA --how magic | No split 'magic'. Known: random, stratified.
folds DATA --groups nowhere.csv | nowhere.csv does not exist.
folds DATA --groups d | d is a folder, expected a file.
folds DATA --groups "" | The word after --groups is empty. Is a variable of the
folds DATA --out d | --out d: a fold table is a .csv file; its provenance is a
folds DATA --out own.py/f.csv | Not a folder: own.py/f.json. Remove the file that is in the way.
folds DATA --out own.py | --out own.py: a fold table is a .csv file; its provenance
folds DATA --out d/train.csv --force | --out d/train.csv belongs to the competition's files.
folds DATA --out d/../d/sample.csv --n 3 | belongs to the competition's files. Name another.
folds DATA --out decision.csv | decision.json is a decision, not the provenance of a fold table.
folds DATA --out f.txt | --out f.txt: a fold table is a .csv file; its provenance is
folds DATA --show magic | No table to --show 'magic'. Known: sampling.
folds DATA --repeats a:3 | --repeats a:3 changes no folds. Add --show sampling, or
folds DATA --show sampling --repeats a | repeats 'a': 'a' is not class:times, such as 27:10.
folds DATA --show sampling --repeats z:3 | No class 'z'. Known: a, b, c.
folds DATA --show sampling --repeats a:-1 | repeats 'a:-1': expected a number of times from 1 up,
folds DATA --show sampling --repeats a:nan | repeats 'a:nan': expected a number of times from 1
folds DATA --show sampling --repeats a:2,a:3 | repeats 'a:2,a:3' names class a twice. Name it
folds DATA --n 3 | folds/own.csv holds other folds. Runs trained on them could
folds -c "../own" | No competition '../own'. Known: cells, hpa.
folds -c own.txt | No competition 'own.txt'. Known: cells, hpa.
folds -c own | No competition 'own'. For the file of that name: -c own.py
folds -c nowhere.py | Competition file nowhere.py not found. Known by name:
folds -c d | No competition 'd'. Known: cells, hpa.
folds -c d/train.csv | Competition file d/train.csv: expected a Python file, which
folds -c "[/red]" | No competition '[/red]'. Known: cells, hpa.
folds -c own.py | data/own/train.csv does not exist. Make them.
folds -c own.py --data nowhere | --data nowhere is not a folder. Make them.
folds -c own.py --data own.py | --data own.py is not a folder. Make them.
folds -c own.py --data "" | The word after --data is empty. Is a variable of the shell
folds DATA extra | Got unexpected extra argument(s) (extra). See: kit folds
folds DATA --nn 3 | No such option: --nn (Possible options: --n). See: kit
fold DATA | No such command 'fold'. Did you mean 'folds'? See: kit
pack DATA --size 0 | --size 0: images must be at least 16 pixels.
pack DATA --size -1 | --size -1: images must be at least 16 pixels.
pack DATA --size 15 | --size 15: images must be at least 16 pixels.
pack DATA --size 1000000000 | Invalid value for '--size': 1000000000 is not in the range
pack DATA --size 99999999999999999999999 | Invalid value for '--size': 99999999999999999999999 is
pack DATA --size 16.5 | Invalid value for '--size': '16.5' is not a valid int
pack DATA --size nan | Invalid value for '--size': 'nan' is not a valid int range.
pack DATA --size 100000 | Invalid value for '--size': 100000 is not in the range
pack DATA | Missing option '--size'. See: kit pack --help
pack DATA --size 16 --resize cubic | No resize method 'cubic'. Known: area, linear.
data -c own.py | No Kaggle credentials. Create a token at
data DATA | No such option: --data (Possible options: --wait). See: kit
data -c nowhere | No competition 'nowhere'. Known: cells, hpa.
import-predictions z DATA | Missing option '--oof'. See: kit import-predictions --help
import-predictions a/b DATA --oof x-oof.csv | NAME 'a/b': use only letters, digits, '.', '-' and
import-predictions ../b DATA --oof x-oof.csv | NAME '../b': use only letters, digits, '.', '-'
import-predictions .. DATA --oof x-oof.csv | NAME '..': use only letters, digits, '.', '-' and
import-predictions . DATA --oof x-oof.csv | NAME '.': use only letters, digits, '.', '-' and '_'.
import-predictions "[/red]" DATA --oof x-oof.csv | NAME '[/red]': use only letters, digits, '.',
import-predictions "a b" DATA --oof x-oof.csv | NAME 'a b': use only letters, digits, '.', '-'
import-predictions -- -x DATA --oof x-oof.csv | Missing option '--oof'. See: kit
import-predictions z DATA --oof nowhere.csv | nowhere.csv
import-predictions z DATA --oof own.py | own.py
import-predictions z DATA --oof x-test.csv | x-test.csv
import-predictions z DATA --oof x-oof.csv --test nowhere.csv | nowhere.csv
import-predictions z DATA --oof x-oof.csv --test x-oof.csv | x-oof.csv
blend nothing DATA | No run 'nothing' in runs/own. Known: x-imported-
blend best DATA | No run 'best' in runs/own. Known: x-imported-
blend DATA --method magic | No method 'magic'. Known: auto, cross-stack, greedy,
blend DATA --method "mean=3" | No method 'mean=3'. Known: auto, cross-stack, greedy,
blend DATA --policy magic | No policy 'magic'. Known: all, auto, calibrated,
blend DATA --policy fixed= | Policy fixed needs a number, such as fixed=0.5, got
blend DATA --policy fixed=7 | Policy fixed=7: fixed needs a number from 0 to 1, such as
blend DATA --policy fixed=-1 | Policy fixed=-1: fixed needs a number from 0 to 1, such as
blend DATA --policy fixed=nan | Policy fixed=nan: fixed needs a number from 0 to 1, such as
blend DATA --policy fixed=inf | Policy fixed=inf: fixed needs a number from 0 to 1, such as
blend DATA --policy fixed=x | Policy fixed needs a number, such as fixed=0.5, got
blend DATA --policy fixed=1e400 | Policy fixed=1e400: fixed needs a number from 0 to 1, such
blend DATA --policy scaled=-1 | Policy scaled=-1: scaled needs a number from 0 up to 10, such
blend DATA --policy scaled=nan | Policy scaled=nan: scaled needs a number from 0 up to 10, such
blend DATA --policy scaled=inf | Policy scaled=inf: scaled needs a number from 0 up to 10, such
blend DATA --policy scaled=1e300 | Policy scaled=1e300: scaled needs a number from 0 up to
blend DATA --policy floored=2 | Policy floored=2: floored needs a number from 0 to 1, such
blend DATA --policy floored=-1 | Policy floored=-1: floored needs a number from 0 to 1, such
blend DATA --policy floored=nan | Policy floored=nan: floored needs a number from 0 to 1,
blend DATA --policy shrunk=-1 | Policy shrunk=-1: shrunk needs a number from 0 up, such as
blend DATA --policy shrunk=nan | Policy shrunk=nan: shrunk needs a number from 0 up, such as
blend DATA --policy shrunk=inf | Policy shrunk=inf: shrunk needs a number from 0 up, such as
blend DATA --policy exact=3 | No policy 'exact=3'. Known: all, auto, calibrated,
blend DATA --policy auto=3 | No policy 'auto=3'. Known: all, auto, calibrated,
blend DATA --transfer magic | No transfer 'magic'. Known: auto, averaged, rates,
blend DATA --trust magic --policy exact --method mean | No member 'magic'. Known:
blend DATA --postprocess magic | No post-processing 'magic'. Known: copies, fill, rules.
blend DATA --postprocess copies --policy exact --method mean | --postprocess copies compares
blend DATA --name "" | The word after --name is empty. Is a variable of the shell
blend DATA --name a/b | --name a/b: use only letters, digits, '.', '-' and '_'.
blend DATA --name .. | --name ..: use only letters, digits, '.', '-' and '_'.
blend DATA --name . | --name .: use only letters, digits, '.', '-' and '_'.
blend DATA --name -x | --name -x: use only letters, digits, '.', '-' and '_'.
blend DATA --name "a b" | --name a b: use only letters, digits, '.', '-' and '_'.
blend DATA --name "[/red]" | --name [/red]: use only letters, digits, '.', '-' and '_'.
tune TUNE --out folds/own.json | folds/own.json is the provenance of a fold table, not a decision.
tune TUNE --out submissions/own-best.json | is a submission's provenance, not a decision. Name
tune TUNE --out d | --out d: a decision is a JSON file. Name one that ends in
tune TUNE --out own.py/x.json | own.py
tune TUNE --labels nowhere.csv | nowhere.csv
tune TUNE --oof nowhere.parquet | nowhere.parquet
tune TUNE --labels d/sample.csv | t0
tune TUNE --labels d | d
tune TUNE --folds nowhere.csv | nowhere.csv
tune TUNE --folds d/train.csv | d/train.csv
tune TUNE --policy magic | No policy 'magic'. Known: all, auto, calibrated,
tune TUNE --policy fixed=nan | Policy fixed=nan: fixed needs a number from 0 to 1, such as
tune TUNE --transfer magic | No transfer 'magic'. Known: auto, averaged, rates,
tune TUNE --journal j | --journal has no effect with --policy exact: it keeps the
tune TUNE --out "" | The word after --out is empty. Is a variable of the shell
tune TUNE --out oof.parquet | --out oof.parquet: a decision is a JSON file. Name one that
tune TUNE --out d/train.csv | --out d/train.csv: a decision is a JSON file. Name one that
tune DATA --oof oof.parquet --labels d/train.csv --out o.json | No such option: --data (Possible
score -c own.py --predictions nowhere --labels d/train.csv | nowhere
score -c own.py --predictions x-oof.csv --labels nowhere | nowhere
score SCORE --predictions d/train.csv --decision decision.json | --decision is for
score SCORE --decision nowhere.json | nowhere.json
score SCORE --decision own.py | own.py
score SCORE --decision d | d
score -c own.py --predictions oof.parquet --labels oof.parquet | oof.parquet
score -c own.py --predictions own.py --labels d/train.csv | own.py
score --predictions oof.parquet --labels d/train.csv | d/train.csv
score -c own.py | Missing option '--predictions'. See: kit score --help
"""

PICTURES_AND_SUBMISSIONS = r"""
look DATA | Name what to look at: kit look MODEL -c own.py --data d or
look nothing DATA | No model 'nothing'. Known: convnet, convnet_rgb,
look convnet DATA --size 0 | --set size=0: input should be greater than or equal to 16.
look convnet DATA --size 1000000000 | --set size=1000000000: input should be less than or equal
look convnet DATA --grid 0x0 | --grid 0x0: allowed are 1x1 to 20x20.
look convnet DATA --grid -1x2 | --grid expects rows x columns, such as 10x5; got '-1x2'.
look convnet DATA --grid 10x5x2 | --grid expects rows x columns, such as 10x5; got '10x5x2'.
look convnet DATA --grid 10 | --grid expects rows x columns, such as 10x5; got '10'.
look convnet DATA --grid 1000000000x1 | --grid expects rows x columns, such as 10x5; got
look convnet DATA --grid ٣x٣ | --grid expects rows x columns, such as 10x5; got '٣x٣'.
look convnet DATA --grid 2.5x2 | --grid expects rows x columns, such as 10x5; got '2.5x2'.
look convnet DATA --raw --at 0.5 | --raw is for a recipe and --at for runs. Give one.
look convnet DATA --out x.jpg | --out x.jpg: pictures are PNG files. Name one that ends in
look convnet DATA --out d | --out d: pictures are PNG files. Name one that ends in .png.
look convnet DATA --out own.py/x.png | --out own.py/x.png: own.py is not a folder.
look convnet DATA --at 0.5 | No blend or run 'convnet'. There are: best,
look x y DATA --at 7 | --at 7: expected a probability from 0 to 1.
look x y DATA --at nan | --at nan: expected a probability from 0 to 1.
look x y DATA --at -1 | --at -1: expected a probability from 0 to 1.
look x y DATA --at inf | --at inf: expected a probability from 0 to 1.
look x y DATA --first 0 | 0 images: a picture holds 1 to 100.
look x y DATA --first -3 | -3 images: a picture holds 1 to 100.
look x y DATA --first 1000000000 | 1000000000 images: a picture holds 1 to 100.
look x y DATA --ids nothing | No image 'nothing' in train.csv and sample.csv. They list
look x y DATA --ids "[/red]" | No image '[/red]' in train.csv and sample.csv. They list
look x y DATA --ids r00 --rare | --ids names the images. Omit --rare.
look x y DATA --ids r00 --first 3 | --ids names the images. Omit --first.
look x y DATA --held-out --as-trained | --held-out and --as-trained contradict each other. Give
look x y DATA --as-trained | --as-trained predicts with a run's models, and
look x y DATA --grid 2x2 | --grid has no effect with runs. It belongs to: kit look
look x y DATA --size 64 | --size has no effect with runs. It belongs to: kit look
look x nothing DATA | No blend or run 'nothing'. There are: best,
look --channels r00 DATA --out d/train/r00.png | belongs to the competition's files. Name another.
look convnet DATA --out d/test/new.png | belongs to the competition's files. Name another.
compare x y DATA --out d/train/r00.png | belongs to the competition's files. Name another.
curves x DATA --out d/train/r00.png | belongs to the competition's files. Name another.
kernel best DATA --out d/train | belongs to the competition's files. Name another.
look x x DATA | x-imported-
look x DATA --set epochs=3 | --set has no effect with runs. It belongs to: kit look
look --channels DATA | Name what to look at: kit look MODEL -c own.py --data d or
look --channels nothing DATA | No image 'nothing' in train.csv and sample.csv. They list
look --channels "[/red]" DATA | No image '[/red]' in train.csv and sample.csv. They list
look --channels "" DATA | The word after --channels is empty. Is a variable of the
look --channels ../r00 DATA | No image '../r00' in train.csv and sample.csv. Similar: r00.
look --channels r00 DATA --out x.gif | --out x.gif: pictures are PNG files. Name one that ends in
look --channels r00 DATA --at 0.5 | --at has no effect with --channels. It belongs to: kit look
curves DATA | Missing argument 'runs'. See: kit curves --help
curves nothing DATA | No blend or run 'nothing'. There are: best,
curves x DATA | x-imported-
curves x DATA --out x.jpg | --out x.jpg: pictures are PNG files. Name one that ends in
compare DATA | Missing argument 'names'. See: kit compare --help
compare x DATA | Expected two or more blends or runs to compare, got 1. List
compare x nothing DATA | No blend or run 'nothing'. There are: best,
compare x y DATA --out x.jpg | --out x.jpg: pictures are PNG files. Name one that ends in
compare x y DATA --out own.py/x.png | --out own.py/x.png: own.py is not a folder.
report nothing DATA | No blend 'nothing'. Known: best.
report ../best DATA | No blend '../best'. Known: best.
report x DATA | No blend 'x'. Known: best.
report "[/red]" DATA | No blend '[/red]'. Known: best.
submit nothing DATA | No blend 'nothing'. Known: best.
submit "" DATA | The word after submit is empty. Is a variable of the shell
submit ../../x DATA | No blend '../../x'. Known: best.
submit best DATA | No Kaggle credentials. Create a token at
submit best DATA --wait -1 | Invalid value for '--wait': -1.0 is not in the range x>=0.
submit best DATA --wait nan --dry-run | --wait nan: expected a number of minutes, such as 15.
submit best DATA --wait inf --dry-run | --wait inf: expected a number of minutes, such as 15.
submit best DATA --wait x | Invalid value for '--wait': 'x' is not a valid float range.
ledger DATA --sync | No Kaggle credentials. Create a token at
ledger -c nowhere | No competition 'nowhere'. Known: cells, hpa.
kernel nothing DATA | No blend 'nothing'. Known: best.
status -c nowhere | No competition 'nowhere'. Known: cells, hpa.
status -c own.py --data nowhere | --data nowhere is not a folder. Make them.
status extra | Got unexpected extra argument(s) (extra). See: kit status
demo extra | Got unexpected extra argument(s) (extra). See: kit demo
demo --fast | No such option: --fast. See: kit demo --help
nonsense | No such command 'nonsense'. See: kit --help
--nonsense | No such option: --nonsense. See: kit --help
"""


@pytest.mark.parametrize(("words", "says"), rows_of(TABLES + PICTURES_AND_SUBMISSIONS))
def test_wrong_words_end_in_one_line(finished: Place, words: str, says: str) -> None:
    assert says in finished.refusal(words)
