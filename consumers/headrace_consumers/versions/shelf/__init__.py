"""A signature's folder: how a version comes onto it, which is the latest, and how one leaves it.

publishing --> v<N>/, latest    listing    rollback    deleting (refuses what `uses` names)    one `lock` for all
"""
