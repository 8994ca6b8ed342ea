// Package mapping says how legacy rows become platform rows: it reads mapping files, proves them against the legacy schema and
// the tenant's tables before anything is touched, and compiles them to what the copy needs.
//
// A mapping is data. Its expressions are SQL over one legacy row, and PostgreSQL judges them: each is compiled in a scratch
// database that holds the legacy schema without rows, where CHECK constraints tell which columns an expression uses and
// index predicates that it is immutable. What comes out is PostgreSQL's own rendering of the expression, every name in it
// qualified, so that it means the same under any search path.
//
// Values travel without the target's type modifier (numeric, not numeric(12,2)): a cast to numeric(12,2) would round in
// silence, so a row that doesn't fit has to fail or to show in the proof. Types that only the legacy or only the platform
// knows travel as text: reverse expressions therefore see an enum as text and a domain as its base type.
//
// Sessions that compile, try and copy have the same settings: times without a zone that become times with one by being written
// as a constant are UTC. All else that a setting, the clock or another table would decide is refused.
//
// Nothing is left behind unsaid: each legacy table and column is mapped, lifted or ignored with a reason, or Compile refuses and
// lists what is missing. Try evaluates the mapping over the real rows, before a fence stops anybody's work.
package mapping
