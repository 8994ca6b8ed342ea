// Package cutover stops the client's writes to the legacy database (the fence) and lets them go again. What it puts into the
// client's database lies in one schema, goes in and out in one transaction, and is checked before anybody relies on it.
package cutover
