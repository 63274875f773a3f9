"""The ring between the caller and what measures: memory of fixed size that two processes share.

``layout`` says where things lie, ``memory`` maps it, ``writer`` and ``reader`` are its two ends,
``encode`` and ``decode`` turn a call of ``record`` into bytes and back, ``folder`` finds the rings
of other processes.
"""
