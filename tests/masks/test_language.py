"""The language: text to a tree and back, and errors that point at the column."""

import re
from pathlib import Path

import numpy as np
import pytest
import shell
from hypothesis import given, settings
from hypothesis import strategies as st

import editkit
from editkit.errors import InputError, MaskError
from editkit.masks.checkpoints import DEFAULTS, FAMILIES
from editkit.masks.evaluate import View, evaluate
from editkit.masks.grammar import REFINEMENTS, SOURCES, Length
from editkit.masks.language import Join, Node, Not, Pick, parse, pick, refine, to_text
from editkit.masks.value import Mask
from editkit.photo.io.files import read_photo

PHOTO = read_photo(shell.noise(24, 32))

lengths = st.builds(
    Length, st.floats(0, 1e5, allow_subnormal=False).map(lambda x: round(x, 6)), st.booleans()
)
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(str.strip)
names = words.filter(lambda text: "\0" not in text)
picks: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from(["all", "none", "sky", "face", "alpha", "saliency", "edges", "luma"]).map(Pick),
    st.tuples(lengths, lengths, lengths, lengths).map(lambda box: pick("box", *box)),
    st.lists(st.tuples(lengths, lengths), min_size=3, max_size=5).map(
        lambda points: pick("polygon", *(part for point in points for part in point))
    ),
    st.tuples(lengths, lengths, lengths).map(lambda p: pick("stroke", p[0], p[1], width=p[2])),
    names.map(lambda name: pick("file", name)),
    words.map(lambda text: pick("text", text, quality="best")),
    st.floats(0, 50).map(lambda t: pick("color", "red", to="#00f", tolerance=t)),
    st.floats(0, 50).map(lambda low: pick("luma", (low, low + 1), soft=3.0)),
    lengths.map(lambda x: pick("sam", x, x, box="1/2/3%/4", model="owner/name")),
    st.booleans().map(lambda best: pick("person", quality="best" if best else None, sam="a/b")),
    words.map(lambda name: pick("subject", quality="best", matte=name)),
)


def combined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    simple = st.sampled_from(["hull", "holes", "islands", "invert", "threshold", "snap"])
    return st.one_of(
        inner.map(Not),
        st.builds(Join, st.sampled_from("|&-"), inner, inner),
        st.builds(refine, simple, inner),
        st.tuples(inner, lengths).map(lambda both: refine("grow", both[0], both[1])),
    )


nodes = st.recursive(picks, combined, max_leaves=12)


# The run-time check of annotations draws which items it looks at.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@settings(deadline=None, max_examples=300)
@given(nodes)
def test_text_and_back(node: Node) -> None:
    assert parse(to_text(node)) == node


def refusal(text: str) -> str:
    with pytest.raises(MaskError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "empty"),
        ("sky |", 6, "missing"),
        ("sky sky", 5, "operator"),
        ("(sky", 5, "column 1"),
        ("sky)", 4, "never opened"),
        ("gril:3", 1, "no selection 'gril'"),
        ("skyy", 1, "did you mean sky"),
        ("all - dog", 7, 'write text:"dog", for a file "dog"'),
        ("dog ~grow:3", 1, "no selection 'dog'"),
        ("sky ~gorw:3", 6, "did you mean grow"),
        ("sky ~grow:-2", 11, "'-2' is not a distance"),
        ("sky ~grow:1,2", 13, "more than it takes"),
        ("box:1,2,3", 1, "LEFT,TOP,RIGHT,BOTTOM"),
        ("box:1,2,3,x", 11, "'x' is not a place"),
        ("box:1,2,3,4,left=1", 18, "given twice"),
        ("polygon:1,2,3", 13, "left over"),
        ("color:redd", 7, "'redd' is not a color"),
        ("text:red car", 10, "quotes"),
        ('"abc', 1, "not closed"),
        ("C:/x.png", 1, "no selection 'C'"),
        ("dog-cat", 1, "spaces around"),
        ("~grow:3", 1, "expected a selection"),
        ("(" * 500, 51, "nested"),
        ("|".join(["all"] * 200), 204, "parts"),
    ],
)
def test_errors_point_at_the_column(text: str, column: int, said: str) -> None:
    message = refusal(text)
    assert message.startswith(f"mask expression, column {column}: ")
    assert said in message
    assert "\n" not in message


def test_how_operators_bind() -> None:
    same = {
        "all | sky & face": "all | (sky & face)",
        "all - sky | face": "(all - sky) | face",
        "all + sky": "all | sky",
        "!all & sky": "(!all) & sky",
        "all | sky ~hull": "(all | sky) ~hull",
        "all ~hull | sky": "(all ~hull) | sky",
        "person:best": "person:quality=best",
        "my-mask.png - b.png": 'file:"my-mask.png" - file:"b.png"',
        "box: 1, 2px, 3%, 4 -all": "box:1,2,3%,4 - all",
        "luma:20-60": "luma:20..60",
        "color:colour=red": "color:red",
        "snap.png ~snap:grabcut": "snap.png ~snap:method=grabcut",
    }
    for text, longer in same.items():
        assert parse(text) == parse(longer), text


@settings(deadline=None, max_examples=400)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*SOURCES, *REFINEMENTS, *"|&-+!()~:,\"'= ", "1", "5%", "-3", "a.png"]),
            st.text(max_size=3),
        ),
        max_size=12,
    ).map("".join)
)
def test_whatever_is_typed_is_a_mask_or_one_line_with_a_column(text: str) -> None:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_HUB_OFFLINE", "1")  # where a model is wanted, say so
            coverage = evaluate(parse(text), View(PHOTO))
    except InputError as error:
        said = str(error)
    else:
        assert coverage.shape == PHOTO.size
        return
    assert re.search(r"column \d+", said), said


def test_python_gives_the_same_trees() -> None:
    made = (Mask.text("dog").grow(8) - Mask.box(10, "20%", 30, 40)) | ~Mask.sky()
    assert str(made) == '(text:"dog" ~grow:8) - box:10,20%,30,40 | !sky'
    assert Mask.parse(str(made)) == made
    for wrong in (float("nan"), True, "x"):
        with pytest.raises(MaskError):
            Mask.all().grow(wrong)


def test_python_has_a_method_for_every_word_of_the_language() -> None:
    names = {"file": "of"}
    for table in (SOURCES, REFINEMENTS):
        for name in table:
            assert callable(getattr(Mask, names.get(name, name))), name
    made = {
        Mask.of("a b.png", "alpha"): 'file:"a b.png",alpha',
        Mask.luma(): "luma",
        Mask.luma(20, 60): "luma:20..60,soft=0",
        Mask.superpixels((1, 2), (3, 4), size="5%"): "superpixels:1,2,3,4,size=5%",
        Mask.person(best=True): "person:best",
        Mask.subject(best=True, matte="a/b"): "subject:best,matte=a/b",
        Mask.sky().matte("3%", model="a/b"): "sky ~matte:3%,a/b",
        Mask.sky().snap(method="grabcut"): "sky ~snap:method=grabcut",
    }
    for mask, text in made.items():
        assert Mask.parse(text) == mask, text
    with pytest.raises(MaskError, match="of files only"):
        Mask.of(np.ones((2, 2), np.float32), "alpha")


README = Path(editkit.__file__).parent / "masks" / "README.md"


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a title, without its head."""
    part = README.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [
        [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in lines[2:]
    ]


def test_the_readme_tells_what_the_grammar_knows() -> None:
    for title, table, sign in (("Selections", SOURCES, ""), ("Refinements", REFINEMENTS, "~")):
        wanted = [
            [sign + name + (f":{spec.usage}" if spec.usage else ""), spec.about]
            for name, spec in table.items()
        ]
        assert [[cell.replace("\\|", "|") for cell in row] for row in rows(title)] == wanted
    models = [[name, default.name, default.license] for name, default in DEFAULTS.items()]
    assert rows("Models") == models


def test_the_readme_gives_expressions_that_are_read() -> None:
    written_there = re.findall(r"^    editkit mask \S+ '([^']+)'", README.read_text("utf-8"), re.M)
    assert len(written_there) >= 3
    for text in written_there:
        assert parse(str(parse(text))) == parse(text)
    known = README.read_text("utf-8").split("editkit reads these models")[1].split("\n")[0]
    assert set(FAMILIES) <= set(re.findall(r"`([\w-]+)`", known))
