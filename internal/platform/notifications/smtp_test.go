package notifications_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tenantctl/internal/platform/notifications"
	"tenantctl/test/fleet"
)

func mailer(t *testing.T, p *fleet.PostOffice) *notifications.SMTP {
	t.Helper()
	m, err := notifications.OpenSMTP(p.URL(), "Shop <shop@example.com>")
	require.NoError(t, err)
	return m
}

func TestMailAddressesAreChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://x", "smtp://", "smtp://user:secret@host:bad"} {
		_, err := notifications.OpenSMTP(url, "a@example.com")
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := notifications.OpenSMTP("smtp://host", "nobody")
	require.Error(t, err)
}

// What an event says can't become a header, or a further recipient.
func TestNothingOfAnEventIsAHeader(t *testing.T) {
	t.Parallel()
	p := fleet.NewPostOffice(t)
	m := mailer(t, p)
	require.NoError(t, m.Send(t.Context(), notifications.Mail{ID: "1", To: "ann@example.com", Subject: "Grüße\r\nBcc: eve@example.com", Body: "Ünicode\r\n.\r\nQUIT\r\n"}))
	require.Error(t, m.Send(t.Context(), notifications.Mail{ID: "2", To: "ann@example.com>\r\nRCPT TO:<eve@example.com", Subject: "x", Body: "y"}))
	require.Equal(t, map[string]int{"<1@example.com>": 1}, p.Received("ann@example.com"))
	require.Empty(t, p.Received("eve@example.com"))
	require.Empty(t, p.First().Header.Get("Bcc"))
}
