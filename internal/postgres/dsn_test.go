package postgres

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMaskDSN(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://ann:s3cret@db:5432/app?sslmode=require":          "postgres://ann:***@db:5432/app?sslmode=require",
		"postgres://ann@db/app":                                      "postgres://ann@db/app",
		"postgres://db/app":                                          "postgres://db/app",
		"postgres://ann:s3cret@h1:1,h2:2/app":                        "postgres://ann:***@h1:1,h2:2/app",
		"postgres://ann:s3@cret@db/app":                              "postgres://ann:***@db/app",
		"postgres://ann:s3/cret@db/app":                              "postgres://ann:***@db/app",
		"postgres://ann:s3?cret@db/app":                              "postgres://ann:***@db/app",
		"postgres://ann:s3#cret@db/app":                              "postgres://ann:***@db/app",
		"postgres://ann:%zzs3cret@db/app":                            "postgres://ann:***@db/app",
		"postgres://db/app?user=ann&password=s3cret&sslmode=require": "postgres://db/app?user=ann&password=***&sslmode=require",
		"postgres://db/app?pass%77ord=s3cret":                        "postgres://db/app?pass%77ord=***",
		"postgres://db/app?sslpassword=s3cret&sslkey=k":              "postgres://db/app?sslpassword=***&sslkey=k",
		"postgres://db/app?password=s3&cret":                         "postgres://db/app?password=***",
		"host=db user=ann password=s3cret dbname=app":                "host=db user=ann password=*** dbname=app",
		"host=db password='s3 \\'cret' dbname=app":                   "host=db password=*** dbname=app",
		"host=db password = s3\\ cret dbname=app":                    "host=db password = *** dbname=app",
		"host=db password='s3 cret":                                  "host=db password=***",
		"password=a://b:s3cret@c host=db":                            "password=*** host=db",
		"host=db sslpassword=s3cret":                                 "host=db sslpassword=***",
		"ann:s3cret@db/app":                                          "ann:***@db/app",
		"mysql://ann:s3cret@db/app":                                  "mysql://ann:***@db/app",
		"host=db dbname=app":                                         "host=db dbname=app",
		"":                                                           "",
	} {
		require.Equal(t, want, MaskDSN(dsn), dsn)
	}
}

// forms are the ways to write a password down that PostgreSQL's clients understand.
func forms(secret string) []string {
	escaped := url.QueryEscape(secret)
	escaped = strings.ReplaceAll(escaped, "+", "%20")
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret)
	bare := strings.NewReplacer(`\`, `\\`, `'`, `\'`, " ", `\ `, "\t", "\\\t", "\n", "\\\n", "\r", "\\\r", "\v", "\\\v", "\f", "\\\f").Replace(secret)
	return []string{
		"postgres://ann:" + escaped + "@db:5433/app?sslmode=disable",
		"postgresql://ann@db:5433/app?sslmode=disable&password=" + escaped,
		"postgres://db:5433/app?p%61ssword=" + escaped + "&user=ann&sslmode=disable",
		"host=db port=5433 user=ann dbname=app sslmode=disable password='" + quoted + "'",
		"password = '" + quoted + "' host=db port=5433 user=ann dbname=app sslmode=disable",
		"host=db password=" + bare + " port=5433 user=ann dbname=app sslmode=disable",
	}
}

// Whatever the password, and however it is written: it isn't shown, and what goes to a tool is the same without it.
func TestPasswordNeverShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		noise := rapid.StringOfN(rapid.RuneFrom([]rune(`ab'"\ @:/?#&=%$*é`+"\t\n\v\f\r")), 0, 8, -1)
		checkHidden(t, noise.Draw(t, "before")+"S3CRET"+noise.Draw(t, "after"))
	})
}

func FuzzPasswordNeverShows(f *testing.F) {
	for _, seed := range []string{"S3CRET", `S3CRET'\`, "S3CRET@/ ?&=", "\nS3CRET"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if strings.ContainsRune(secret, 0) {
			t.Skip("no connection string can hold it")
		}
		checkHidden(t, secret+"S3CRET")
		// Broken strings are shown too.
		require.NotContains(t, MaskDSN("postgres://ann:"+secret+"S3CRET@db/app"), "S3CRET")
		require.NotContains(t, MaskDSN("ann:"+secret+"S3CRET@db/app"), "S3CRET")
	})
}

func checkHidden(t require.TestingT, secret string) {
	for _, dsn := range forms(secret) {
		config, err := pgconn.ParseConfig(dsn)
		require.NoError(t, err, dsn)
		require.Equal(t, secret, config.Password, dsn)
		masked, bare := MaskDSN(dsn), withoutPassword(dsn)
		require.NotContains(t, masked, "S3CRET", dsn)
		require.Contains(t, masked, "db", dsn)
		require.NotContains(t, bare, "S3CRET", dsn)
		without, err := pgconn.ParseConfig(bare)
		require.NoError(t, err, bare)
		require.Empty(t, without.Password, bare)
		require.Equal(t, []any{"db", uint16(5433), "ann", "app"}, []any{without.Host, without.Port, without.User, without.Database}, bare)
		require.Nil(t, without.TLSConfig, bare)
	}
}
