"""Synthetic scans (模拟扫描件): a printed PDF is rasterised, stamped with a red round seal, tilted, dirtied and compressed."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import pypdfium2
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from services.documents.fonts import FOLDER, HEI

A4 = (11.69, 8.27)  # inches, landscape
SEAL_MM = 42
RED = (214, 32, 40)
_SLACK = 200  # pixels by which the noise may be shifted

SealPlace = Literal["none", "signature", "code", "codes", "edge"]


@dataclass(frozen=True)
class Condition:
    """How a page went through printer, stamp and scanner. ``turned``: upside down; ``print_scale``: 适应页面 of a printer."""

    dpi: int = 200
    angle: float = 0.0
    turned: bool = False
    grey: bool = False
    black_white: bool = False
    seal: SealPlace = "signature"
    blur: float = 0.6
    noise: float = 12.0
    contrast: float = 0.92
    quality: int = 60
    print_scale: float = 1.0
    photo: bool = False  # perspective and a shadow, as from a phone

    def but(self, **changes: Any) -> Condition:
        return replace(self, **changes)


def rasterise(content: bytes, dpi: int) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(content)
    try:
        return [page.render(scale=dpi / 72).to_pil().convert("RGB") for page in document]
    finally:
        document.close()


def stamped_pdf(content: bytes, condition: Condition = Condition(), *, seed: int = 1, pages: Any = None) -> bytes:
    """The scan of all (or the given, counted from 0) pages as one PDF of JPEG pictures."""
    random_ = random.Random(seed)
    sheets = rasterise(content, condition.dpi)
    chosen = list(range(len(sheets))) if pages is None else list(pages)
    made = [scanned(sheets[n], condition, random_, last=n == len(sheets) - 1) for n in chosen]
    return to_pdf(made, condition)


def to_pdf(pictures: list[Image.Image], condition: Condition) -> bytes:
    out = io.BytesIO()
    first, *rest = pictures
    first.save(out, "PDF", save_all=True, append_images=rest, resolution=condition.dpi, quality=condition.quality)
    return out.getvalue()


def blank_pages(count: int = 16) -> bytes:
    """A scan on which no machine finds anything; small, so that looking in vain is quick."""
    return to_pdf([Image.new("RGB", (300, 212), (250, 250, 248)) for _ in range(count)], Condition(dpi=150))


def to_jpeg(picture: Image.Image, quality: int = 70) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def scanned(page: Image.Image, condition: Condition, random_: random.Random, *, last: bool) -> Image.Image:
    """One page after printing, stamping and scanning."""
    picture = page.copy()
    if condition.print_scale != 1:
        picture = _shrunk(picture, condition.print_scale)
    for x, y in _seal_places(picture, condition, last):
        _stamp(picture, x, y, SEAL_MM * condition.dpi / 25.4, random_)
    paper: tuple[int, ...] | int = (250, 250, 248)
    if condition.grey or condition.black_white:
        picture, paper = picture.convert("L"), 250
    if condition.photo:
        picture = _photographed(picture, condition, random_)
    angle = condition.angle + (180 if condition.turned else 0)
    if angle:
        picture = picture.rotate(angle, _resampling(condition), expand=abs(condition.angle) > 3, fillcolor=paper)
    picture = ImageEnhance.Contrast(picture).enhance(condition.contrast)
    if condition.blur:
        spread = condition.blur * condition.dpi / 200  # standard deviation, pixels
        picture = picture.filter(ImageFilter.BoxBlur((math.sqrt(1 + 12 * spread**2) - 1) / 2))
    if condition.noise:
        picture = _noisy(picture, condition.noise, random_)
    if condition.black_white:
        picture = picture.point(lambda level: 255 if level > 150 else 0).convert("1").convert("L")
    return picture


def _resampling(condition: Condition) -> Image.Resampling:
    """Where a module of the code is seven pixels wide the quicker one does."""
    return Image.Resampling.BICUBIC if condition.dpi < 250 else Image.Resampling.BILINEAR


def seal(diameter: int, name: str = "广州南沙晟电电路有限公司") -> Image.Image:
    """A round red seal with a star, transparent around it."""
    side = max(diameter, 60)
    picture = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((2, 2, side - 3, side - 3), outline=(*RED, 235), width=max(2, side // 26))
    middle, radius = side / 2, side * 0.16
    points = []
    for corner in range(10):
        reach = radius if corner % 2 == 0 else radius * 0.4
        turn = math.pi / 5 * corner - math.pi / 2
        points.append((middle + reach * math.cos(turn), middle + reach * math.sin(turn)))
    draw.polygon(points, fill=(*RED, 235))
    font = ImageFont.truetype(str(FOLDER / f"{HEI}.ttf"), max(10, side // 9))
    for number, char in enumerate(name):
        turn = math.radians(-170 + 160 / max(1, len(name) - 1) * number)
        x, y = middle + side * 0.37 * math.cos(turn), middle + side * 0.37 * math.sin(turn)
        draw.text((x, y), char, font=font, fill=(*RED, 235), anchor="mm")
    return picture


def _stamp(page: Image.Image, x: float, y: float, diameter: float, random_: random.Random) -> None:
    mark = seal(round(diameter)).rotate(random_.uniform(-25, 25), Image.Resampling.BICUBIC)
    red = Image.new("RGB", mark.size, (255, 255, 255))
    red.paste(mark, mask=mark.getchannel("A"))
    left, top = round(x - mark.width / 2), round(y - mark.height / 2)
    under = page.crop((left, top, left + mark.width, top + mark.height)).convert("RGB")
    page.paste(ImageChops.multiply(under, red), (left, top))  # ink lies on ink


def _seal_places(page: Image.Image, condition: Condition, last: bool) -> list[tuple[float, float]]:
    millimetre = condition.dpi / 25.4
    main = (page.width / 2, page.height - 17 * millimetre)
    second = (page.width - 22 * millimetre, 15.5 * millimetre)
    places: dict[SealPlace, list[tuple[float, float]]] = {
        "none": [],
        "signature": [(page.width * 0.68, page.height * 0.42)] if last else [],
        "code": [main],
        "codes": [main, second],
        "edge": [(page.width - 4 * millimetre, page.height * 0.5)],
    }
    return places[condition.seal]


def _shrunk(page: Image.Image, scale: float) -> Image.Image:
    small = page.resize((round(page.width * scale), round(page.height * scale)), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", page.size, (255, 255, 255))
    sheet.paste(small, ((page.width - small.width) // 2, (page.height - small.height) // 2))
    return sheet


def _photographed(page: Image.Image, condition: Condition, random_: random.Random) -> Image.Image:
    width, height = page.size
    # corners of what the camera sees, a little inside or outside the sheet
    quad = [
        side + random_.uniform(-0.03, 0.03) * length
        for side, length in (
            (0, width),
            (0, height),
            (0, width),
            (height, height),
            (width, width),
            (height, height),
            (width, width),
            (0, height),
        )
    ]
    picture = page.transform(page.size, Image.Transform.QUAD, quad, _resampling(condition), fillcolor=(90, 84, 76))
    shadow = Image.radial_gradient("L").resize(page.size).point(lambda level: 255 - level // 3)
    return ImageChops.multiply(picture, Image.merge("RGB", (shadow, shadow, shadow)))


def _noisy(picture: Image.Image, sigma: float, random_: random.Random) -> Image.Image:
    """A part of one large sheet of noise, another part for each picture: making noise takes longer than all the rest."""
    grain = _grain(picture.width + _SLACK, picture.height + _SLACK, sigma)
    left, top = random_.randrange(_SLACK), random_.randrange(_SLACK)
    noise = grain.crop((left, top, left + picture.width, top + picture.height))
    layer = noise if picture.mode == "L" else Image.merge("RGB", (noise, noise, noise))
    return ImageChops.add(picture, layer, scale=1, offset=-128)


@lru_cache(maxsize=2)
def _grain(width: int, height: int, sigma: float) -> Image.Image:
    return Image.effect_noise((width, height), sigma)
