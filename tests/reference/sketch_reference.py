#!/usr/bin/env python3
"""sketch_reference.py: reads sketches with Apache DataSketches and says what it makes of them (agg_sketch_test.c).

Lines "HEX FROM TO" on stdin: a sketch in hex, and a range of integers. For each: its estimate, that of its union with a sketch that
DataSketches makes of the integers, and whether all three have the same registers or coupons (1 or 0).
"""
import sys

try:
    import datasketches as ds
except ImportError:
    sys.exit(77)


def of_range(first, last):
    sketch = ds.hll_sketch(14, ds.tgt_hll_type.HLL_8)
    for value in range(first, last):
        sketch.update(value)
    return sketch


def union(*sketches):
    gadget = ds.hll_union(14)
    for sketch in sketches:
        gadget.update(sketch)
    return gadget.get_result(ds.tgt_hll_type.HLL_8)


def contents(sketch):
    """Registers, or coupons in order."""
    data = sketch.serialize_compact()
    if data[7] & 3 == 2:
        return data[40:]
    head = 8 if data[7] & 3 == 0 else 12
    return sorted(data[i : i + 4] for i in range(head, len(data), 4))


for line in sys.stdin:
    text, first, last = line.split()
    ours = ds.hll_sketch.deserialize(bytes.fromhex(text))
    theirs = of_range(int(first), int(last))
    both = union(ours, theirs)
    same = contents(both) == contents(theirs) == contents(ours)
    print(f"{ours.get_estimate():.6f} {both.get_estimate():.6f} {int(same)}", flush=True)
