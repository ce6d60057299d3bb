"""A cut: what there is becomes one frame, the frame a version.

cut: survey -> recipe -> assembling (merging, difficulty, drawing) -> gates -> figures, targets -> published
"""
