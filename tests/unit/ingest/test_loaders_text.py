from ingest.loaders import load


def test_text_keeps_its_lines_when_loaded():
    loaded = load("关于放假的通知\r\n\r\n\r\n\r\n各部门：\r\n　　放假９天。\x00\r\n".encode("gbk"), source="通知.txt")

    assert loaded.document.text == "关于放假的通知\n\n各部门：\n　　放假９天。"
    assert (loaded.document.title, loaded.media_type, loaded.loader) == ("通知", "text/plain", "text")
    assert loaded.document.metadata == {"encoding": "GB18030"}
    assert loaded.document.page_starts == loaded.document.blocks == ()
