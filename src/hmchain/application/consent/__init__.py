"""Which records a use may have, by what the hospital's patients said; asked anew for every use."""
