"""Small files of every kind that may be sent."""

import base64
import struct
import zlib


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\x10\x20\x30"))
    + _chunk(b"IEND", b"")
)
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////"
    "wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
WEBP = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
TEXT = "żółć: plain text\n".encode()


def _box(kind, data):
    return struct.pack(">I", 8 + len(data)) + kind + data


MP4 = _box(b"ftyp", b"isom\x00\x00\x02\x00isomiso2avc1mp41") + _box(b"free", b"") + _box(b"mdat", bytes(64))
M4A = _box(b"ftyp", b"M4A \x00\x00\x02\x00M4A isomiso2") + _box(b"free", b"") + _box(b"mdat", bytes(64))
MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" + bytes(413)
AMR = b"#!AMR\n" + bytes([0x3C]) + bytes(31)


def _page(flags, granule, sequence, packets):
    table = b"".join(bytes([len(packet)]) for packet in packets)
    page = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, 7, sequence, 0, len(packets)) + table + b"".join(packets)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1
        crc &= 0xFFFFFFFF
    return page[:22] + struct.pack("<I", crc) + page[26:]


OGG = (
    _page(2, 0, 0, [b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48000, 0, 0)])
    + _page(0, 0, 1, [b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)])
    + _page(4, 960, 2, [b"\xf8\xff\xfe"])
)
