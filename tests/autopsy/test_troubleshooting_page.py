"""The page about troubleshooting lists every cause with its sentence, an example and the next step."""

import re

import pytest
from pages import ROOT, blocks, shell

from hookguard import presets
from hookguard.autopsy import CAUSES

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)


def test_every_cause_has_a_row_with_its_sentence_and_an_example():
    assert {code: (sentence, todo) for code, sentence, _, todo in ROWS} == CAUSES
    assert len(ROWS) == len(CAUSES)
    assert all(example.strip() for _, _, example, _ in ROWS)


@pytest.mark.runs("docs/troubleshooting.md", "From a saved delivery")
def test_command_of_the_page_runs(tmp_path):
    pytest.importorskip("click", reason="the commands need the extra cli")
    from hookguard.cli.inputs import dump_delivery

    secret = "whsec_GpbHODqYsK2jn1fwRv2119uNETI485Tg"
    delivery = presets.STRIPE.sign(b'{"id": "evt_1"}', secret)
    (tmp_path / "saved.json").write_text(dump_delivery(delivery._replace(body=delivery.body + b"\n")))
    done = shell(blocks("docs/troubleshooting.md")["From a saved delivery"].printed(), tmp_path, STRIPE_SECRET=secret)
    assert done.returncode == 1, done.stdout
    assert "body_whitespace_added (proved)" in done.stdout
