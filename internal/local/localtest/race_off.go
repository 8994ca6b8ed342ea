//go:build !race

package localtest

// RaceDetector tells that the tests run under the race detector, several times slower: bounds on time mean nothing then.
const RaceDetector = false
