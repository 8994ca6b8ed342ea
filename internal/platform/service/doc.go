// Package service is what every service of the platform is made of: its routes come from its OpenAPI description, which also
// says what a request may hold; errors are problem details (RFC 9457); health, version and metrics are answered beside them;
// and it ends without dropping a request.
//
// A request passes, from the outside in: request id and security headers, count and duration, recovery, the bound on the body,
// the route, who asks (scope), the description's rules, the handler.
package service
