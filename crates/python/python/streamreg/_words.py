"""Messages in words of Python: the library writes them for the command line, and its own users."""

from __future__ import annotations

import json
import re

#: What the option is called here, where its name is a word of Python's or says too little.
ALIASES = {"with_": "with"}

#: Options without a value.
SWITCHES = {"no-header", "union-by-name", "no-intercept", "no-escalate", "standardized"}

#: Options whose values are pairs of a name and something else.
PAIRS = {"schema", "reference", "with"}

#: Options whose value may be a mark, such as a comma.
MARKS = {"decimal", "thousands", "delimiter"}

#: Options whose value may be the name of a column, or a text of the data: any word but those that go on with the sentence.
NAMES = {"null", "exclude", "categorical", "cluster"}
GOES_ON = {"and", "as", "does", "for", "has", "if", "is", "makes", "or", "says", "sets", "takes", "to", "where", "with", "would"}

#: Values that are words.
CHOICES = {"auto", "cg", "drop", "error", "exact", "float", "gd", "huber", "indicator", "min-norm", "quantile", "qr", "sgd", "svd"}

#: Other ways than options; what stands for them here.
PHRASES = [
    (r"\(--([a-z0-9-]+), or `[\w:]+`\)", r"(--\1)"),
    (r"`streamreg fit --save-model` writes one", "save() of a fit writes one"),
    (r"`streamreg fit --save-state` writes one", "bytes() of a State are one"),
    (r"`fit --save-state --cv 10 --cv-group COLUMN` keeps them", "State(..., --cv 10, --cv-group COLUMN) keeps them"),
    (r"`streamreg predict` and `evaluate` take it", "streamreg.load() reads it"),
    (r"`fit_groups` fits them", "streamreg.groups() fits them"),
    (r"`fit_targets` fits them", "fit them one by one"),
    (
        r"fit files, or another source that can \(of a state: --data FILES[^)]*\)",
        "fit a frame, files, or a function that gives the batches (of a state: data=)",
    ),
    (r"--data FILES gives the files of the state", "data= gives the rows of the state"),
    (r"with `--like` the other", "with like= the other"),
    (r"--format (json|tidy) has them all", "tidy() has them all"),
    (r": `Penalization::chosen`", ': "auto" in place of a number'),
    (r",? or `[A-Z]\w*::\w+`", ""),
    (r" \(`[A-Z]\w*::\w+`\)", ""),
]

#: An option, and what may be its value: in quotes, or up to a blank.
OPTION = re.compile(r"""(?<![\w-])--([a-z][a-z0-9-]*)(?: <[^>]*>)?(?:( )("[^"]*"|'[^']*'(?:=[\w.-]+)?|[^\s]+))?""")


def in_python(message: str, options: set[str]) -> str:
    """A message for the command line, of which the first line is text and others show what it is about, with the ``options`` of Python."""
    text, line, rest = message.partition("\n")
    for there, here in PHRASES:
        text = re.sub(there, here, text)
    text = re.sub(r"\bthe option ([a-z0-9]+(?:-[a-z0-9]+)+)\b", lambda match: f"the option {keyword(match[1])}", text)
    text = OPTION.sub(lambda match: _option(match, options), text)
    text = re.sub(r'(?<=")((?:, [a-z]+)*) or ([a-z]+|%\S+)(?=$|[ ,;])', _others, text)
    return text + line + rest


def _others(match: re.Match[str]) -> str:
    """Values that stand beside one in quotes."""
    before, last = match[1].split(", ")[1:], match[2]
    if not last.startswith("%") and not {*before, last} <= CHOICES:
        return match[0]
    return "".join(f", {_quoted(word)}" for word in before) + f" or {_quoted(last)}"


def keyword(name: str) -> str:
    """The keyword argument that an option of the command line is."""
    here = next((alias for alias, other in ALIASES.items() if other == name), name)
    return here.replace("-", "_")


def _option(match: re.Match[str], options: set[str]) -> str:
    name, blank, word = match.group(1), match.group(2) or "", match.group(3) or ""
    if name not in options:
        return match.group(0)
    here = keyword(name)
    # What follows may be an option, too.
    after = blank + (OPTION.sub(lambda next_one: _option(next_one, options), word) if word.startswith("--") else word)
    if name in SWITCHES:
        return f"{here}=True{after}"
    value = word if name in MARKS and len(word) == 1 else word.rstrip(";:,.)")
    if not value or value.startswith("--") or not _is_value(name, value):
        return here + after
    end = word[len(value) :]
    plain = value.replace("'", "") if name == "schema" else re.sub(r"^(['\"])(.*)\1$", r"\2", value)
    pair = re.fullmatch(r"(\w[^=]*?) ?= ?(.+)", plain, re.DOTALL) if name in PAIRS else None
    if pair:
        return f"{here}={{{_quoted(pair[1])}: {_quoted(pair[2])}}}{end}"
    if re.fullmatch(r"[A-Z][A-Z,]*|[0-9.]*[0-9]", plain) and plain == value:
        return f"{here}={value}{end}"
    return f"{here}={_quoted(plain)}{end}"


def _is_value(name: str, word: str) -> bool:
    if word in CHOICES or word[0] in "'\"%" or re.fullmatch(r"[A-Z][A-Z,]*|[0-9.]*[0-9]", word):
        return True
    if name in PAIRS and "=" in word:
        return True
    return (name in NAMES and word not in GOES_ON) or (name in MARKS and len(word) == 1)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
