//! How a call flows: one graph built from a catalog, read by the dialplan.
