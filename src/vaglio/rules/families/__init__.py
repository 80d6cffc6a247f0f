"""The rule families: each file reads its family's parameters and turns a rule into a pure function.

What a function gets is a `Question`; what it gives is a `Finding`, with what else the decision needs of it.
"""
