//go:build !pausepoints

package pause

import "context"

// Point marks a moment. It does nothing in this build.
func Point(context.Context, Name) {}
