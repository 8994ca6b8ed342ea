// Package notifications is the platform's service that tells users what happened: in the application, and by mail at once or once a
// day, as each of them prefers. It hears of it from other services' events. There is one notification, and one mail, for each cause
// and user; that a mail server which has taken a mail is asked to take it again when the process dies at that very moment can't be
// ruled out, and both copies have the same Message-ID.
package notifications
