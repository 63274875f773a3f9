"""Receivers that tests start on 127.0.0.1: strict in what they take, faulty on demand."""

from stub_receivers.rigs import KINDS, MARK, Rig, rig
from stub_receivers.server import ReceiverServer, Trouble

__all__ = ["KINDS", "MARK", "ReceiverServer", "Rig", "Trouble", "rig"]
