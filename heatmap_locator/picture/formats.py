"""The one list of image formats that are read, by files, folders, the service and the page.

They need no outside program: Pillow would hand EPS to Ghostscript.
"""

from dataclasses import dataclass

Magic = tuple[tuple[int, bytes], ...]
"""(offset, bytes) pairs that a file begins with."""

HEAD = 64
"""Bytes from a file's beginning that tell what it is."""


@dataclass(frozen=True)
class Format:
    """A format that is read.

    Attributes:
        name: what people call it.
        pillow: Pillow's names.
        media_type: as HTTP has it.
        suffixes: of its files; the first is what the service stores it under.
        magics: any of them tells it.
        browsers: whether they show it.
    """

    name: str
    pillow: tuple[str, ...]
    media_type: str
    suffixes: tuple[str, ...]
    magics: tuple[Magic, ...]
    browsers: bool = True


def _begins(*starts: bytes) -> tuple[Magic, ...]:
    return tuple(((0, start),) for start in starts)


FORMATS = (
    Format(
        "JPEG",
        ("JPEG", "MPO"),
        "image/jpeg",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        _begins(b"\xff\xd8\xff"),
    ),
    Format("PNG", ("PNG",), "image/png", (".png", ".apng"), _begins(b"\x89PNG\r\n\x1a\n")),
    Format("WebP", ("WEBP",), "image/webp", (".webp",), (((0, b"RIFF"), (8, b"WEBP")),)),
    Format("HEIC", ("HEIF",), "image/heic", (".heic", ".heif", ".hif"), (), False),
    Format("AVIF", ("AVIF",), "image/avif", (".avif", ".avifs"), ()),
    Format(
        "TIFF",
        ("TIFF",),
        "image/tiff",
        (".tif", ".tiff"),
        _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        False,
    ),
    Format("GIF", ("GIF",), "image/gif", (".gif",), _begins(b"GIF87a", b"GIF89a")),
    Format("BMP", ("BMP",), "image/bmp", (".bmp",), _begins(b"BM")),
    Format(
        "JPEG 2000",
        ("JPEG2000",),
        "image/jp2",
        (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
        _begins(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
        False,
    ),
    Format(
        "PNM",
        ("PPM",),
        "image/x-portable-anymap",
        (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        _begins(*(b"P%c%c" % (kind, space) for kind in b"123456fF" for space in b" \t\n\r")),
        False,
    ),
    Format("TGA", ("TGA",), "image/x-tga", (".tga",), (), False),
)

NAMES = ", ".join(one.name for one in FORMATS[:-1]) + f" or {FORMATS[-1].name}"
"""All of them, for a sentence."""

SUFFIXES = frozenset(suffix for one in FORMATS for suffix in one.suffixes)

_BY_NAME = {one.name: one for one in FORMATS}
# Brands of ISO media files, ISO/IEC 23008-12 and AV1 Image File Format.
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"
    ),
}
_GENERAL = (b"mif1", b"msf1", b"mif2")


def identify(head: bytes) -> Format | None:
    """The format of a file by its first ``HEAD`` bytes; its name is not believed."""
    for one in FORMATS:
        for magic in one.magics:
            if all(head[at : at + len(part)] == part for at, part in magic):
                return one
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    return _BY_NAME["TGA"] if _is_tga(head) else None


def _by_brand(head: bytes) -> Format | None:
    """HEIC or AVIF, by an ISO media file's brands; None for films."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] not in _BRANDS and brands[0] not in _GENERAL:
        return None
    named = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return _BY_NAME[named[0] if named else "HEIC"]


def _is_tga(head: bytes) -> bool:
    """Whether a header is one of a Targa file, which has no magic number."""
    if len(head) < 18:
        return False
    mapped, kind, depth = head[1], head[2], head[16]
    plain = mapped == 0 and kind in (2, 3, 10, 11) and head[3:8] == bytes(5)
    palette = mapped == 1 and kind in (1, 9) and head[7] in (15, 16, 24, 32)
    sides = head[12] | head[13] << 8, head[14] | head[15] << 8
    return (
        (plain or palette)
        and depth in (8, 15, 16, 24, 32)
        and min(sides) > 0
        and head[17] & 0xC0 == 0
    )


_OTHERS = (
    (b"PK\x03\x04", "an archive (ZIP)"),
    (b"PK\x05\x06", "an archive (ZIP)"),
    (b"\x1f\x8b", "an archive (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (b"Rar!", "an archive (RAR)"),
    (b"BZh", "an archive (bzip2)"),
    (b"\xfd7zXZ", "an archive (xz)"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"icns", "an icon (ICNS)"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "a texture (DDS)"),
    (b"gimp xcf", "a GIMP file"),
    (b"qoif", "QOI"),
)


RAW = "a camera's raw file cannot be read as an image"
"""What is said of a file of which :func:`is_raw` is true."""

# Canon's CR2 and CR3, Fuji's RAF, Olympus' ORF, Panasonic's RW2; DNG and what is like it says so in
# a tag, DNGVersion (50706) or Make, of a TIFF that Pillow does not read.
_RAWS = ((8, b"CR\x02"), (4, b"ftypcrx "), (0, b"FUJIFILMCCD-RAW"), (0, b"IIR"), (0, b"IIU\0"))


def is_raw(head: bytes) -> bool:
    """Whether a file is a camera's raw data, by its first KB."""
    if any(head[at : at + len(magic)] == magic for at, magic in _RAWS):
        return True
    return b"\x12\xc6\x01\x00" in head[:1024] or b"\xc6\x12\x00\x01" in head[:1024]


def described(head: bytes) -> str:
    """Why a file that is none of them is not read, for a sentence, by its first KB."""
    what = next((what for magic, what in _OTHERS if head.startswith(magic)), None)
    text = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if is_raw(head):
        return RAW
    if head[4:8] == b"ftyp":
        what = "a film"
    elif head[257:262] == b"ustar":
        what = "an archive (tar)"
    elif text.startswith((b"<svg", b"<?xml")) or b"<svg" in text:
        what = "SVG or XML"
    elif text.startswith((b"<!doctype", b"<html")):
        what = "a web page"
    return "not an image that can be read" if what is None else f"{what} cannot be read as an image"
