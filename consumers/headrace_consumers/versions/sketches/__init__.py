"""Which inputs may say nearly the same, told by sketches of them; it imports no more than NumPy, rensa and Arrow.

likeness    how alike two inputs are, exactly            shingling   the pieces of many texts at once
sketching   sketches of inputs, by their pieces          processes, worker   of many inputs, by several processes
"""
