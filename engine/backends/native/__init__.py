"""CPU code generated from a System: beats and their tangents as vector instructions, compiled by LLVM (llvmlite)."""
