"""Each language of a published report has pictures of its own."""

from __future__ import annotations

import base64
import json
import re
import subprocess

from conftest import script


def test_the_pictures_of_each_language_stand_beside_its_report(tmp_path, monkeypatch):
    published = script("published_report")
    result = {"run_id": "0" * 32, "figures": {"a.png": "", "b.png": ""}}
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (tmp_path / "c.ja.png").touch()  # of a figure that is drawn no more

    def report(command, check):
        language = command[command.index("--lang") + 1]
        drawn = base64.b64encode(language.encode()).decode()
        kinds = ("image/png", "image/svg+xml")
        text = "".join(f'<img src="data:{kind};base64,{drawn}">' for kind in kinds)
        command[-1].write_text(text, encoding="utf-8")

    monkeypatch.setattr(subprocess, "run", report)
    published.main(tmp_path)
    for name, pictures in (
        ("report.html", ["a.png", "b.png"]),
        ("report.ja.html", ["a.ja.png", "b.ja.svg"]),
    ):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert re.findall('src="([^"]*)"', text) == pictures
    assert {path.name for path in tmp_path.glob("*.ja.[ps][nv]g")} == {"a.ja.png", "b.ja.svg"}
    assert (tmp_path / "b.ja.svg").read_bytes() == b"ja"
