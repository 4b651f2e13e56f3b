# SPDX-License-Identifier: MPL-2.0
"""Scripts: their letters, the installed fonts that have them, and made-up words."""

from __future__ import annotations

import math
import random
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import ImageFont

from ocrmypdf_superres.errors import OptionError
from ocrmypdf_superres.training.data.fonts import fc_list

Kind = Literal["small letters", "capitals", "ideographs", "one case"]
Part = Literal["train", "test", "all"]

_UNSUITABLE = re.compile(
    r"symbol|dingbat|emoji|math|icon|d050000l|music|logo|cursor|ornament|initials|biolinum_k|keyboard|kufi|nastaliq|"
    r"rashi|display|decor|title|thin|extralight|hairline|stamash|lmmath|awesome",
    re.I,
)
_HELD_OUT = 4
"""One of this many font files is kept for tests."""


@dataclass(frozen=True)
class Script:
    """A way of writing.

    Attributes:
        name: as in reports.
        kind: what its letters look like, which decides how large they should be for OCR.
        pattern: fontconfig pattern of fonts that have it.
        letters: characters that words are made of; repeated ones are commoner.
        reference: letters whose median height is the height of the text.
        joined: whether words stand without blanks between them.
        files: regular expression that the names of font files match; any where empty.
        low: letters whose median height is averaged with that of the reference, geometrically; none where empty. How well
            Tesseract reads Arabic goes by the height of alif and by that of the low letters, whose ratio differs between
            faces from 1.3 to 2.6: on 35 training faces the mean of both told best at which size they become unreadable.
        share: of that height that is the height of the text: what makes Arabic letters unreadable at the size at which
            Latin ones are.
        rising: whether only what rises above the baseline counts: alif has a foot below it in some faces, where it stands
            alone, and waw hangs below it in all.
    """

    name: str
    kind: Kind
    pattern: str
    letters: str
    reference: str
    joined: bool = False
    files: str = ""
    low: str = ""
    share: float = 1.0
    rising: bool = False


_LATIN = "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddllllcccuuummmwwffggyyppbbvkjxqz"
_CYRILLIC = "ооооооооееееееееааааааааииииииинннннннттттттссссссррррррввввллллкккмммдддпппууяяыььггззбчйхжшюцщэф"
_GREEK = "αααααααααοοοοοοοοιιιιιιιεεεεεεετττττττσσσσσσννννννηηηηυυυυρρρρπππκκκμμμλλλςςωωδγχθφβξζψάέήίόύώ"
_HEBREW = "יייייייוווווווהההההלללללאאאאאתתתתמממרררבבבנננששםםדקקפפעעחחצזטגסכךןףץ"
_ARABIC = "اااااااااالللللللليييييمممممنننننوووووررررتتتتبببعععدددهههسسسققكفجحشطصخذثزضغظءىة"
_DEVANAGARI = ("क", "का", "कि", "की", "के", "र", "रा", "री", "न", "ने", "ना", "स", "से", "सी", "म", "में", "मा", "त", "ता", "ते",
               "ल", "ला", "ह", "है", "हैं", "प", "पर", "य", "या", "व", "और", "द", "दी", "ज", "जा", "ब", "ग", "गा", "च", "ट", "ड",
               "थ", "था", "भ", "भी", "ख", "ध", "श", "ष", "अ", "आ", "इ", "उ", "ए", "स्त", "प्र", "क्ष")  # fmt: skip
_KANNADA = ("ಕ", "ಕಾ", "ಕಿ", "ಗ", "ಗಳ", "ಗೆ", "ರ", "ರು", "ನ", "ನು", "ನ್ನು", "ತ", "ತು", "ದ", "ದಿ", "ದೆ", "ಲ", "ಲಿ", "ಲ್ಲಿ", "ಮ", "ಮಾ",
            "ವ", "ವು", "ಯ", "ಸ", "ಸಿ", "ಹ", "ಬ", "ಪ", "ಪ್ರ", "ಅ", "ಆ", "ಇ", "ಎ", "ಳ", "ಶ", "ಟ", "ಡ", "ಣ", "ಜ", "ಚ")  # fmt: skip
_THAI = "กกนนนนรรรรออออมมมางงงวววยยยสสลลททดดตตคคหหบพชจขปผศาาาาาาาาเเเเเแโไใะะ"
_IDEOGRAPHS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多"
    "经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性"
)
_KANA = (
    "のののにににをををはははとととがががでででたたてていいいししるるるな"
    "もこあくきりうかさまんっらすスルトンアイリクラ日本人年大国中会社学生時"
)
_HANGUL = "이이이다다다는는에에의의을를가가고고하하지지나나사사어어기리자도로한인으그라시아서대스있정보여일주무부수우전장제조해"

SCRIPTS = (
    Script("Latin", "small letters", ":lang=en", _LATIN, "xzv"),
    Script("capitals", "capitals", ":lang=en", _LATIN.upper(), "XHE"),
    Script("small caps", "small letters", ":lang=en", _LATIN, "xzv", files=r"lmromancaps|lmmonocaps"),
    Script("typewriter", "small letters", ":lang=en:spacing=100", _LATIN, "xzv"),
    Script("Fraktur", "small letters", ":", _LATIN, "nuo", files=r"blankenburg|fraktur|gamaliel|jessen|yfrak|yswab"),
    Script("Cyrillic", "small letters", ":lang=ru", _CYRILLIC, "хнв"),
    Script("Greek", "small letters", ":lang=el", _GREEK, "νχκ"),
    Script("Hebrew", "one case", ":lang=he", _HEBREW, "הםחב"),
    Script("Arabic", "one case", ":lang=ar", _ARABIC, "ا", low="دوه", share=0.815, rising=True),
    Script("Devanagari", "one case", ":lang=hi", "", "कगम"),
    Script("Kannada", "one case", ":lang=kn", "", "ಅಆಎ"),
    Script("Thai", "one case", ":lang=th", _THAI, "กนบ"),
    Script("Chinese", "ideographs", ":lang=zh-cn", _IDEOGRAPHS, "国日中", joined=True),
    Script("Japanese", "ideographs", ":lang=ja", _KANA, "国日本", joined=True),
    Script("Korean", "ideographs", ":lang=ko", _HANGUL, "국민한"),
)
_SYLLABLES = {"Devanagari": _DEVANAGARI, "Kannada": _KANNADA}


@dataclass(frozen=True)
class Face:
    """A font file and the index of the face in it."""

    path: str
    index: int

    def open(self, size: int) -> ImageFont.FreeTypeFont:
        """Return the font at *size* pixels an em."""
        return _open(self.path, self.index, size)


@lru_cache(maxsize=256)
def _open(path: str, index: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, index=index)


@lru_cache(maxsize=64)
def faces(script: Script, part: Part = "all") -> tuple[Face, ...]:
    """Return the installed fonts that have *script*: all, or those of one part, which share no file.

    A script of a single font has it in every part. Empty where there is none.

    Raises:
        OptionError: fontconfig is not installed.
    """
    found = set()
    for path, index in fc_list(script.pattern + ":scalable=true", "file", "index"):
        known = path.lower().endswith((".ttf", ".otf", ".ttc")) and not _UNSUITABLE.search(path)
        if known and re.search(script.files, path, re.I):
            found.add(Face(path, int(index or 0) & 0xFFFF))
    everything = tuple(face for face in sorted(found, key=lambda face: (face.path, face.index)) if _usable(script, face))
    names = sorted({_file_name(face) for face in everything}, key=_place)
    kept = {name for name in names if _place(name) % _HELD_OUT == 0} or set(names[:1] if len(names) > _HELD_OUT else ())
    held = tuple(face for face in everything if _file_name(face) in kept)
    chosen = {"all": everything, "test": held, "train": tuple(face for face in everything if face not in held)}[part]
    return chosen or everything


def _file_name(face: Face) -> str:
    return face.path.rsplit("/", 1)[-1]


def _place(name: str) -> int:
    return zlib.crc32(name.encode())


def _usable(script: Script, face: Face) -> bool:
    """Whether *face* can be opened and its letters of reference are not all one box for what it lacks."""
    try:
        shapes = {bytes(face.open(48).getmask(letter)) for letter in script.reference}
        return len(shapes) > 1 or (len(set(script.reference)) == 1 and reference_height(script, face) > 0.1)
    except OSError:
        return False  # FreeType refuses some fonts


def scripts_with_fonts(part: Part = "all") -> list[Script]:
    """Return the scripts that this machine has fonts for.

    Raises:
        OptionError: fontconfig is missing, or there is no font for any.
    """
    found = [script for script in SCRIPTS if faces(script, part)]
    if not found:
        raise OptionError("fontconfig lists no text fonts; install some, for example fonts-dejavu and fonts-noto-core.")
    return found


@lru_cache(maxsize=1024)
def reference_height(script: Script, face: Face) -> float:
    """Return the height of the letters of *script* in *face* as a share of the em."""
    height = _middle_height(script, face, script.reference)
    if script.low:
        height = math.sqrt(height * _middle_height(script, face, script.low))
    return height * script.share


def _middle_height(script: Script, face: Face, letters: str) -> float:
    """Return the median height of *letters* in *face* as a share of the em."""
    font = face.open(400)
    boxes = [font.getbbox(letter, anchor="ls") for letter in letters]
    heights = sorted(float((0 if script.rising else box[3]) - box[1]) / 400 for box in boxes)
    return heights[len(heights) // 2]


def make_word(script: Script, random_: random.Random) -> str:
    """Return a word of made-up letters; now and then with a capital, a comma or a full stop, or a number."""
    if random_.random() < 0.06:
        return str(random_.randrange(1, 10 ** random_.randrange(1, 6)))
    units = _SYLLABLES.get(script.name) or script.letters
    length = random_.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 10)) if script.name not in _SYLLABLES else random_.randrange(1, 5)
    word = "".join(random_.choice(units) for _ in range(length))
    if script.kind == "small letters" and random_.random() < 0.12:
        word = word[0].upper() + word[1:]
    if random_.random() < 0.1:
        word += "，。"[random_.randrange(2)] if script.joined else ",."[random_.randrange(2)]
    return word
