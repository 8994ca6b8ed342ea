// Package gateway is the one door to all tenants: it finds out whose request it is, and sends it where that tenant's traffic
// goes. Routes change under it while requests are on their way, and none is lost, doubled or sent to a side that was left:
//
//   - A request is on the books (traffic) from the look at the route until its answer is complete.
//   - While the route is hold, what may change something waits here (hold), within bounds of number, bytes and time. What only
//     reads goes on to where the tenant was held from.
//   - An epoch is acknowledged (beat) when everything that left by an older route is done. Whoever waits for the acknowledgment
//     knows that through this gateway nothing more reaches the side that is being left.
//
// It is no security boundary: every service checks the token by itself. But what a service would have to guess, such as a
// path that two parsers read differently, doesn't come through.
package gateway
