"""Tests of Slipway, one file per behaviour."""
