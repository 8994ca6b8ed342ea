package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/postgres/lexer"
)

// Text that is let through stays within the parentheses that are put around it.
func FuzzOneExpression(f *testing.F) {
	for _, seed := range []string{`"OrderID"`, "a) from x --", "'", "$$)$$", "/* ( */ 1", "a -- )", "E'\\'' || ')'", "case when a then b end", "1 /* ) ", "arr[1]", "]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if oneExpression(sql) != nil {
			return
		}
		wrapped := "(" + sql + "\n)"
		depth, closed := 0, -1
		for token := range lexer.Tokens(wrapped) {
			switch {
			case token.IsSymbol("("):
				depth++
			case token.IsSymbol(")"):
				depth--
			}
			if depth == 0 && closed < 0 {
				closed = token.End()
			}
			require.False(t, token.IsSymbol(";"))
		}
		require.Equal(t, len(wrapped), closed, "the first parenthesis is closed by the last")
	})
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	known := []string{`"OrderID"`, "customer_id", "status"}
	for word, want := range map[string]string{
		"order_id": `"OrderID"`, "orderid": `"OrderID"`, "CustomerID": "customer_id", "sttaus": "status", "stat": "", "x": "", "": "",
	} {
		require.Equal(t, want, nearest(word, known), word)
	}
	require.Equal(t, `; did you mean status?`, didYouMean("statsu", known, "columns"))
	require.Equal(t, `; known columns: "OrderID", customer_id, status`, didYouMean("zzz", known, "columns"))
	require.Equal(t, `; there are no columns`, didYouMean("zzz", nil, "columns"))
}

func TestModifiers(t *testing.T) {
	t.Parallel()
	for modifier, want := range map[int32][2]int32{786438: {12, 2}, 198658: {3, -2}, 327684: {5, 0}, 131081: {2, 5}} {
		precision, scale := BaseType{Modifier: modifier}.digits()
		require.Equal(t, want, [2]int32{precision, scale})
	}
}
