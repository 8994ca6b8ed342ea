// Package compare is the tests' own judge of a lift: it reads the catalogs and the rows of a legacy database and of the
// tenant's schemas, and lists every difference in one readable line. It knows nothing of how the lift is done and
// imports nothing of it: what the tool proves about itself is proven here a second time, by other means.
//
// Schemas are told apart by their catalog entries wherever the catalog keeps them apart. Where PostgreSQL prints a definition, it is
// cut into tokens, and each reference to a schema is resolved against what exists in it. Texts that hold names (function
// bodies, search paths, trigger arguments, text constants) must have been renamed where they name something that exists,
// may be either where they name nothing, and are further judged by the application's own statements: see Answers.
package compare
