"""Text out of pictures: scanned pages, photographed sheets, screenshots inside documents.

`availability.py` tells whether it can be done here (extra `ocr`), `images.py` decodes pictures, `engine.py` is the only
file that knows the OCR library, `boxes.py` lays out what it found (pure), `reader.py` is what loaders call, and
`page_clock.py` lets whoever runs a loader bound the time of one picture. Only the default install's packages are
imported until a picture is really read.
"""
