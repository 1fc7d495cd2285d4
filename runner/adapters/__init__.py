"""One file per outside thing. An adapter knows core and no other adapter's noun."""
