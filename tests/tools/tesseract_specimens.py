# SPDX-License-Identifier: MPL-2.0
"""Line images of our own text in installed fonts, clean and damaged, to try recognizers on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ocrmypdf_superres.errors import MissingDependencyError
from ocrmypdf_superres.training.data.fonts import fc_list

DAMAGES = ("clean", "blur", "noise", "low", "jpeg")

TEXTS = {
    "eng": (
        "The harbour master kept a ledger of every ship that came in before the storm.",
        "On Tuesday the 14th we counted 327 boxes, 12 of them broken at one corner.",
        "She asked whether the archive would open at nine or only after the holiday.",
        "A narrow path led from the mill to the church, past three empty cottages.",
        "Nobody could explain why the clock had stopped at exactly twenty past six.",
        "Please return the enclosed form, signed and dated, to the address given below.",
        "Copper, tin and lead were carried down the valley on the backs of mules.",
        "The committee met in Room 204 and adjourned without reaching a decision.",
        "His letters from the coast are short, friendly and full of spelling mistakes.",
        "Between 1871 and 1896 the price of paper fell by more than half.",
        "Most of the photographs were taken from the roof of the old customs house.",
        "Light rain is expected in the morning; by noon the sky should be clear.",
        "We found the missing page folded inside a book about bridges and canals.",
        "The younger brother became a printer, the elder one a maker of maps.",
        "Section 9 of the contract deals with damage caused by fire, water or frost.",
        "Every window on the north side had been bricked up to save on the tax.",
        "They walked quickly, for the last ferry would leave in a quarter of an hour.",
        "In the margin someone had written a question mark and the word perhaps.",
        "Jam, cheese and a loaf of brown bread were all that remained in the larder.",
        "The surveyor measured the field twice and got two quite different results.",
        "Over the years the river moved its bed nearly two miles towards the east.",
        "Keep this ticket until you leave the station and show it when asked.",
        "An index of persons and places will be found at the end of volume four.",
        "What looked like ink was only the shadow of a very fine crack in the glass.",
    ),
    "deu": (
        "Der Müller brachte das Mehl jeden Freitag über die alte Brücke in die Stadt.",
        "Im Jahre 1874 wurden hier 56 Häuser und eine kleine Kapelle gebaut.",
        "Niemand wußte, warum das große Tor am Abend noch offen stand.",
        "Die Übersicht der Ausgaben finden Sie auf Seite 12 des zweiten Bandes.",
        "Er schrieb täglich einen Brief, doch keiner davon wurde je verschickt.",
        "Nördlich des Flusses beginnt der Wald, südlich davon liegen die Felder.",
        "Bitte füllen Sie das Formular vollständig aus und unterschreiben Sie es.",
        "Zwischen den Büchern lag eine gepreßte Blume mit blauen Blättern.",
        "Das Wetter blieb schön, nur am Morgen war es noch etwas kühl.",
        "Fünf Jahre später kehrte der Schreiner in sein Dorf zurück.",
        "Die Straße führt am Bahnhof vorbei und endet vor dem Rathaus.",
        "Öl, Salz und Käse waren damals teurer als Brot und Bier.",
        "Auf dem Dach saßen zwei Störche und klapperten mit den Schnäbeln.",
        "Wir hörten die Glocke dreimal schlagen, dann wurde es ganz still.",
        "Der Schlüssel paßte nicht, also stieg der Junge durch das Fenster.",
        "Nach langem Zögern stimmte der Rat dem Bau der Mühle zu.",
        "Ihre Großmutter erzählte gern von der Reise nach Lübeck.",
        "Die Karte zeigt alle Wege, Brunnen und Grenzsteine der Gemeinde.",
        "Für das Heizen der Schule sind 40 Körbe Kohle nötig.",
        "Man fand das Gemälde hinter einem Schrank, in ein Tuch gewickelt.",
        "Trotz der Kälte blieben die Händler bis zum Abend auf dem Markt.",
        "Das Register enthält die Namen der Schüler und ihrer Väter.",
    ),
    "fra": (
        "Le meunier portait chaque vendredi sa farine au marché de la ville voisine.",
        "En 1874, on construisit ici 56 maisons et une petite chapelle de pierre.",
        "Personne ne savait pourquoi la grande porte était restée ouverte ce soir.",
        "La liste des dépenses se trouve à la page 12 du deuxième volume.",
        "Il écrivait une lettre par jour, mais aucune ne fut jamais envoyée.",
        "Au nord de la rivière commence la forêt, au sud se trouvent les champs.",
        "Veuillez remplir le formulaire et le renvoyer à cette adresse.",
        "Entre les livres se cachait une fleur séchée aux pétales bleus.",
        "Le temps resta beau, mais la matinée fut encore un peu fraîche.",
        "Cinq ans plus tard, le menuisier revint dans son village natal.",
        "La route passe devant la gare et finit sur la place de la mairie.",
        "Le sel, le fromage et le vin étaient alors plus chers que le pain.",
        "Deux cigognes étaient perchées sur le toit et claquaient du bec.",
        "Nous entendîmes sonner trois fois la cloche, puis tout se tut.",
        "La clé ne tournait pas, alors le garçon entra par la fenêtre.",
        "Après une longue hésitation, le conseil accepta le projet du moulin.",
        "Sa grand-mère racontait volontiers son voyage à travers la Bretagne.",
        "La carte montre tous les chemins, les puits et les bornes du pays.",
        "Pour chauffer une école, il faut quarante paniers de charbon.",
        "On trouva le tableau derrière une armoire, enveloppé dans un drap.",
        "Malgré le froid, les marchands restèrent jusque tard dans la soirée.",
        "Le registre contient les noms des élèves et ceux de leurs parents.",
    ),
    "rus": (
        "Мельник каждую пятницу возил муку через старый мост в город.",
        "В 1874 году здесь построили 56 домов и небольшую часовню.",
        "Никто не знал, почему большие ворота вечером остались открыты.",
        "Список расходов находится на странице 12 второго тома.",
        "Он писал по письму в день, но ни одно не было отправлено.",
        "К северу от реки начинается лес, к югу лежат поля.",
        "Просим заполнить бланк и вернуть его по указанному адресу.",
        "Между книгами лежал засушенный цветок с синими лепестками.",
        "Погода стояла хорошая, только утром было немного холодно.",
        "Через пять лет столяр вернулся в свою родную деревню.",
        "Дорога идёт мимо вокзала и кончается у городской управы.",
        "Соль, сыр и масло стоили тогда дороже хлеба и пива.",
        "На крыше сидели два аиста и громко щёлкали клювами.",
        "Мы услышали три удара колокола, потом стало совсем тихо.",
        "Ключ не подошёл, и мальчик влез в дом через окно.",
        "После долгих споров совет согласился построить мельницу.",
        "Бабушка любила рассказывать о своей поездке по Волге.",
        "Карта показывает все тропы, колодцы и межевые камни.",
        "Чтобы топить школу зимой, нужно сорок корзин угля.",
        "Картину нашли за шкафом, она была завёрнута в холст.",
        "Несмотря на мороз, торговцы оставались до самого вечера.",
        "В журнале записаны имена учеников и их родителей.",
    ),
}  # fmt: skip

_FAMILIES = (
    "DejaVu Serif", "DejaVu Sans", "Liberation Serif", "Liberation Sans", "FreeSerif", "FreeSans", "Linux Libertine O",
    "EB Garamond", "C059", "Nimbus Roman", "P052", "URW Bookman", "Courier Prime", "Nimbus Sans", "Liberation Mono",
    "Noto Serif", "Noto Sans", "FreeMono", "DejaVu Sans Mono", "CMU Serif", "Gentium", "Junicode Two Beta", "Lato",
)  # fmt: skip
_LANGUAGES = {"eng": "en", "deu": "de", "fra": "fr", "rus": "ru"}


@dataclass(frozen=True)
class Specimen:
    """A line image (mode ``L``) with its text, font and damage."""

    image: Image.Image
    text: str
    font: str
    damage: str


@lru_cache(maxsize=8)
def text_fonts(language: str, count: int) -> tuple[str, ...]:
    """Return the files of up to *count* regular text faces of different families that can draw *language*, best known first.

    Raises:
        MissingDependencyError: no known font is installed.
        OptionError: fontconfig is not installed.
    """
    pattern = f":lang={_LANGUAGES.get(language, 'en')}:scalable=true"
    rows = sorted(fc_list(pattern, "family[0]", "style[0]", "file"))
    files: dict[str, str] = {}
    for family, style, file in rows:
        if style in ("Regular", "Book", "Roman", "12 Regular") and file.endswith((".ttf", ".otf", ".ttc")):
            files.setdefault(family, file)
    chosen = [files[family] for family in _FAMILIES if family in files]
    chosen = [file for file in chosen if Path(file).is_file()][:count]
    if not chosen:
        raise MissingDependencyError(
            f"No known text font for {language} is installed, one such as DejaVu or Liberation was expected; "
            f"install fonts-dejavu."
        )
    return tuple(chosen)


def draw_line(text: str, font: str, size: float, margin: int = 6) -> Image.Image:
    """Return *text* in black on white in the face of the file *font* at *size* pixels, *margin* white pixels around."""
    face = ImageFont.truetype(font, size)
    left, top, right, bottom = (int(value) for value in face.getbbox(text))
    image = Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), 255)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=20, font=face)
    return image


def damage_line(image: Image.Image, damage: str, rng: np.random.Generator) -> Image.Image:
    """Return *image* with one of :data:`DAMAGES`, its strength drawn from *rng*; ``low`` halves its resolution and more."""
    if damage == "blur":
        return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.4))))
    if damage == "noise":
        noise = rng.normal(0.0, float(rng.uniform(8.0, 24.0)), (image.height, image.width))
        return Image.fromarray(np.clip(np.asarray(image) + noise + 0.5, 0, 255).astype(np.uint8))
    if damage == "low":
        factor = float(rng.uniform(0.4, 0.6))
        size = (max(8, round(image.width * factor)), max(8, round(image.height * factor)))
        return image.resize(size, Image.Resampling.BOX)
    if damage == "jpeg":
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=int(rng.integers(15, 45)))
        return Image.open(io.BytesIO(stream.getvalue())).convert("L")
    return image


def specimens(language: str, count: int, fonts: int = 10, seed: int = 0) -> list[Specimen]:
    """Return *count* lines of *language* (a key of :data:`TEXTS`) in turn over *fonts* faces and all damages."""
    rng = np.random.default_rng([seed, count])
    faces = text_fonts(language, fonts)
    texts = TEXTS[language]
    result = []
    for index in range(count):
        text = texts[index % len(texts)]
        font = faces[index % len(faces)]
        damage = DAMAGES[(index // len(faces) + index) % len(DAMAGES)]
        image = damage_line(draw_line(text, font, float(rng.uniform(22.0, 40.0))), damage, rng)
        result.append(Specimen(image, text, Path(font).stem, damage))
    return result
