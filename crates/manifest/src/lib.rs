//! What a PBX is: the kinds, read with positions, merged by field, checked and compared.
