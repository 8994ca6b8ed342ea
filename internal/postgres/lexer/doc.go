// Package lexer cuts SQL into tokens as PostgreSQL's own scanner does: quotes of every form, dollar quotes, nested comments,
// operators that end where a comment begins. It knows no grammar.
//
// It is lossless: the texts of the tokens, put together, are the input, whatever the input is. Text that PostgreSQL would
// refuse (an unterminated quote) still becomes tokens, marked Unterminated. Strings are read as with
// standard_conforming_strings = on.
package lexer
