package bench_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// number is a setting of the run: TENANTCTL_BENCH_SCALE is pgbench's scale, by which other tables shrink too where it is
// below fullScale; TENANTCTL_BENCH_ROUNDS is how often each side takes its turn.
func number(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, variable)
	require.Positive(b, n, variable)
	return n
}

// fullScale is the pgbench scale that the bars are for: 650 MB in tables.
const fullScale = 50

func scale(b *testing.B) int {
	b.Helper()
	return number(b, "TENANTCTL_BENCH_SCALE", fullScale)
}

// scaled is a number of rows that shrinks with the scale.
func scaled(b *testing.B, rows int) int {
	b.Helper()
	return max(rows*min(scale(b), fullScale)/fullScale, 1)
}

const usualRounds = 3

func rounds(b *testing.B) int {
	b.Helper()
	return number(b, "TENANTCTL_BENCH_ROUNDS", usualRounds)
}
