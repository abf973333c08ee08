"""Files: uploaded, looked up, fetched, sent in every way, deleted."""

import hashlib
import base64
import io
import pathlib
import tempfile

import files
from common import FACTS, check, client, refused

wa = client()
to = FACTS["to"]
incoming = FACTS["incoming"]
public = FACTS["public"]
folder = pathlib.Path(tempfile.mkdtemp())


def accepted(sent):
    return sent.id.startswith("wamid.") and len(sent.id) <= 128


uploaded = check("upload of bytes", lambda: wa.upload_media(files.PNG, mime_type="image/png", filename="a.png"), lambda m: m.id.isdigit())
path = folder / "żółć.pdf"
path.write_bytes(files.PDF)
check("upload of a file", lambda: wa.upload_media(path), lambda m: m.id.isdigit())
check("upload of a stream", lambda: wa.upload_media(io.BytesIO(files.TEXT), mime_type="text/plain", filename="a.txt"), lambda m: m.id.isdigit())
kinds = [
    ("image/jpeg", files.JPEG),
    ("image/webp", files.WEBP),
    ("audio/ogg", files.OGG),
    ("audio/mpeg", files.MP3),
    ("audio/mp4", files.M4A),
    ("audio/amr", files.AMR),
    ("video/mp4", files.MP4),
    ("application/pdf", files.PDF),
]
for kind, content in kinds:
    check(f"upload of {kind}", lambda: wa.upload_media(content, mime_type=kind, filename="file"), lambda m: m.id.isdigit())
check("a type of its own", lambda: wa.upload_media(b"\x00\x01\x02", mime_type="application/x-msdownload", filename="a.exe"), lambda m: m.id.isdigit())
refused("bytes that are something else", 131053, lambda: wa.upload_media(files.PDF, mime_type="image/png", filename="a.png"))

if uploaded is not None:
    url = check(
        "lookup",
        lambda: wa.get_media_url(uploaded.id),
        lambda url: url.id == uploaded.id and url.mime_type == "image/png" and int(url.file_size) == len(files.PNG)
        and url.sha256 in (hashlib.sha256(files.PNG).hexdigest(), base64.b64encode(hashlib.sha256(files.PNG).digest()).decode()),
    )
    if url is not None:
        check("fetched as bytes", lambda: wa.get_media_bytes(url.url), lambda content: content == files.PNG)
        check("fetched into a file", lambda: wa.download_media(url=url.url, path=folder).read_bytes(), lambda content: content == files.PNG)
        check("fetched in pieces", lambda: b"".join(wa.stream_media(url.url, chunk_size=7)), lambda content: content == files.PNG)
    check("image by its id", lambda: wa.send_image(to, uploaded.id, caption="żółć"), accepted)
check("image of bytes", lambda: wa.send_image(to, files.JPEG, caption="bytes", mime_type="image/jpeg"), accepted)
check("image by its link", lambda: wa.send_image(to, f"{public}/a.png", caption="link"), accepted)
check("image that replies", lambda: wa.send_image(to, files.PNG, mime_type="image/png", reply_to_message_id=incoming), accepted)
check("document", lambda: wa.send_document(to, path, filename="żółć.pdf", caption="see"), accepted)
check("video", lambda: wa.send_video(to, files.MP4, caption="moving", mime_type="video/mp4"), accepted)
check("audio", lambda: wa.send_audio(to, files.MP3, mime_type="audio/mpeg"), accepted)
check("voice", lambda: wa.send_voice(to, files.OGG, mime_type="audio/ogg"), accepted)
check("sticker", lambda: wa.send_sticker(to, files.WEBP, mime_type="image/webp"), accepted)
from pywa import types  # noqa: E402

buttons = [types.Button(title="Yes", callback_data="yes")]
check("buttons under an image", lambda: wa.send_image(to, files.PNG, caption="Yes?", buttons=buttons, mime_type="image/png"), accepted)
refused("an id of nothing", 100, lambda: wa.send_image(to, "999999999999999"))

if uploaded is not None:
    check("deleted", lambda: wa.delete_media(uploaded.id), bool)
    refused("lookup after that", 100, lambda: wa.get_media_url(uploaded.id))
