// Package auth is the platform's service of log-ins and tokens.
//
// It keeps, in each tenant's schema, how users prove who they are, which log-ins may still be refreshed, and how often somebody
// failed. Who a user is and what they may do it asks the service users. No password and no token is kept or logged: of a
// password there is a hash, of a refresh token the family and the generation, of what was typed as a login a hash.
package auth
