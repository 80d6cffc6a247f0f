"""The doctor: what the running PBX and the installation would do, and what has to be mended.

`asking` speaks to the PBX, `dialplan` reads what it answered, `paths` follows it, `examination` judges it.
"""
