"""The HTTP API, `/v1/…`: for CRMs, diallers and the programs of auditors. Keys only, no cookies."""
