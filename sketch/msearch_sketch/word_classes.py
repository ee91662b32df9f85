"""Small closed classes of English words, by which kinds of prose differ whatever they speak of (Biber 1988)."""

from __future__ import annotations

WORD_CLASSES: dict[str, tuple[str, ...]] = {
    name: tuple(words.split())
    for name, words in {
        "first_person": "i me my mine myself we us our ours ourselves",
        "second_person": "you your yours yourself yourselves thou thee thy",
        "third_person": "he him his himself she her hers herself they them their theirs themselves",
        "article": "a an the",
        "demonstrative": "this that these those here there",
        "preposition": (
            "of in to for with on at by from about as into through after over between out against during without "
            "before under around among within upon toward towards across behind near since per via"
        ),
        "conjunction": "and or but nor so yet because although though while whereas unless until if than whether",
        "question_word": "who whom whose which what when where why how",
        "modal": "can could may might must shall should will would ought",
        # "t" is what is left of "don't" and its like.
        "negation": "not no never none nobody nothing nowhere neither cannot t hardly barely",
        "present_auxiliary": "is are am be been being s have has having do does",
        "past": "was were had did said went came got made took",
        "quantity": "all some any many much few more most less least several every each both",
        "degree": "very too really quite just only even still almost rather pretty extremely totally absolutely",
    }.items()
}
"""No word is in two classes."""
