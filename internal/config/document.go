package config

import "tenantctl/internal/tenant"

// document is tenants.yaml as it is written. Its tags drive both the decoder and the JSON Schema, so that an editor and
// tenantctl agree on what is right:
//
//	yaml      the key; ",inline" takes the fields of an embedded struct
//	required  the key must be there
//	oneof     exactly one of the keys must be there (on a field named _)
//	enum      the words allowed
//	min, max  the bounds of a number
//	pattern   what a text must match, and expect says it in words
//	unique    no item of the list twice
//	names     the rule for the keys of a mapping
//	doc       what an editor shows
type document struct {
	given     map[string]Place        // the keys that are there
	Version   int                     `yaml:"version" required:"true" min:"1" max:"1" doc:"Version of this format: 1."`
	Control   *connection             `yaml:"control" doc:"Database of tenantctl's own records. Without it: the first instance."`
	Instances ordered[instance]       `yaml:"instances" names:"instance" doc:"The shared PostgreSQL databases, by a name of your choice. Without any, a private PostgreSQL is started on this machine."`
	Broker    *broker                 `yaml:"broker" doc:"The RabbitMQ server. Without it, a private one is started on this machine when it is needed."`
	KeysDir   string                  `yaml:"keysDir" doc:"Folder for the keys that sign the platform's tokens; relative to this file. Default: .tenantctl/keys."`
	Platform  platform                `yaml:"platform" doc:"How tenantctl serve runs the platform's services."`
	Services  ordered[service]        `yaml:"services" names:"service" doc:"Streams of schema migrations, one per service, in dependency order: a service comes after those whose tables it refers to."`
	Defaults  defaults                `yaml:"defaults" doc:"What a tenant gets that doesn't say otherwise."`
	Rollout   rollout                 `yaml:"rollout" doc:"How an upgrade spreads over the tenants."`
	Tenants   ordered[declaredTenant] `yaml:"tenants" names:"tenant" doc:"The fleet: each tenant by its name (a-z, 0-9 and single hyphens)."`
}

type connection struct {
	_       struct{}   `oneof:"dsn,dsnFile"`
	DSN     Secret     `yaml:"dsn" doc:"Connection string: ${VAR}, or a text with ${VAR} where the password goes. A literal password is refused."`
	DSNFile secretFile `yaml:"dsnFile" doc:"File that holds the connection string; relative to this file."`
}

type instance struct {
	connection     `yaml:",inline"`
	TenantsPerCell int    `yaml:"tenantsPerCell" min:"1" max:"500" doc:"How many tenants share the services' login roles and pools. Default: 500; logging in takes longer with every tenant."`
	RolePrefix     string `yaml:"rolePrefix" pattern:"^[a-z0-9_]+$" expect:"a-z, 0-9 and underscores" doc:"Put before the name of every role made on this server: roles belong to the server, not to the database."`
	CredentialsDir string `yaml:"credentialsDir" doc:"Folder for the passwords of the services' logins; relative to this file. Default: .tenantctl/credentials/INSTANCE."`
}

type broker struct {
	_       struct{}   `oneof:"url,urlFile"`
	URL     brokerURL  `yaml:"url" doc:"Address of RabbitMQ: ${VAR}, or amqp://user:${VAR}@host:5672/vhost."`
	URLFile secretFile `yaml:"urlFile" doc:"File that holds the address; relative to this file."`
	// Namespace keeps apart platforms that share a server.
	Namespace string `yaml:"namespace" pattern:"^[a-z0-9][a-z0-9_.-]*$" expect:"a-z, 0-9, dots, hyphens and underscores" doc:"Begins the name of everything on the server. Default: tenantctl."`
	CAFile    string `yaml:"caFile" doc:"File with the certificates that the server's is signed by, for amqps://; relative to this file. Default: those that the system trusts."`
}

type platform struct {
	Domain  string         `yaml:"domain" pattern:"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" expect:"a domain such as example.com" doc:"Hosts TENANT.DOMAIN name their tenant. Default: localhost."`
	TLS     *tlsFiles      `yaml:"tls" doc:"What the address of --listen answers with. Without it: plain HTTP. Renewed files are taken up by themselves."`
	CA      string         `yaml:"ca" doc:"File of certificates (PEM) that are believed, besides the system's, when services call one another, a client's own application or a tenant's; relative to this file."`
	Mail    *mailServer    `yaml:"mail" doc:"The mail server. Without it, users are told of events in the application only."`
	Redis   *redis         `yaml:"redis" doc:"The cache that all processes of core share. Without it nothing is cached."`
	Proxies []network      `yaml:"proxies" unique:"true" doc:"Networks from which X-Forwarded-For is believed when failed log-ins are counted: those of gateways on other machines. Default: this machine."`
	Limits  platformLimits `yaml:"limits" doc:"What each process may use."`
	Logs    string         `yaml:"logs" doc:"Folder in which tenantctl serve and tenantctl operator keep their lines, and tenantctl logs finds them; relative to this file. \"-\" keeps none: they go to standard error only. Default: beside the state folder of the private servers."`
	Tracing *tracing       `yaml:"telemetry" doc:"Where spans go. Without it, to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, or nowhere."`
}

type tracing struct {
	Endpoint webAddress `yaml:"endpoint" doc:"Address of an OpenTelemetry collector, such as http://collector:4318: spans go to /v1/traces there (OTLP over HTTP). Default: what OTEL_EXPORTER_OTLP_ENDPOINT names."`
	Ratio    *float64   `yaml:"ratio" min:"0" doc:"Share of the traces that is recorded, from 0 to 1. Default: 1."`
}

type tlsFiles struct {
	Cert string `yaml:"cert" required:"true" doc:"File of the certificate and those between it and its authority (PEM); relative to this file."`
	Key  string `yaml:"key" required:"true" doc:"File of its private key (PEM); relative to this file."`
}

type mailServer struct {
	_       struct{}   `oneof:"url,urlFile"`
	URL     mailURL    `yaml:"url" doc:"Address of the mail server: ${VAR}, or smtp://user:${VAR}@host:587; smtps:// with TLS from the first byte."`
	URLFile secretFile `yaml:"urlFile" doc:"File that holds the address; relative to this file."`
	From    string     `yaml:"from" required:"true" pattern:"^([^<>@]+<[^<>@ ]+@[^<>@ ]+>|[^<>@ ]+@[^<>@ ]+)$" expect:"a mail address such as \"Shop <shop@example.com>\"" doc:"Sender of the mails."`
}

type redis struct {
	_       struct{}   `oneof:"url,urlFile"`
	URL     redisURL   `yaml:"url" doc:"Address of Redis: ${VAR}, or redis://user:${VAR}@host:6379/0; rediss:// with TLS."`
	URLFile secretFile `yaml:"urlFile" doc:"File that holds the address; relative to this file."`
}

type platformLimits struct {
	Connections          int      `yaml:"connections" min:"1" max:"1000" doc:"Connections of a service to PostgreSQL for each cell. Default: 8."`
	ConnectionsPerTenant int      `yaml:"connectionsPerTenant" min:"1" max:"1000" doc:"How many of them one tenant may hold at once. Default: half."`
	RequestsAtOnce       int      `yaml:"requestsAtOnce" min:"1" max:"1000000" doc:"Requests of one tenant under way at the gateway; as many wait for a second. Default: 256."`
	StreamsAtOnce        int      `yaml:"streamsAtOnce" min:"1" max:"1000000" doc:"Event streams and WebSockets of one tenant at the gateway. Default: 4096."`
	HeldWrites           int      `yaml:"heldWrites" min:"1" max:"10000" doc:"Writes of one tenant that wait at the gateway while it is moved. Default: 1000."`
	HeldFor              Duration `yaml:"heldFor" min:"1s" max:"10m" doc:"How long each of them waits before it is told to come again. Default: 30s."`
}

type service struct {
	Migrations string     `yaml:"migrations" doc:"\"builtin\" for a service that tenantctl ships (the default), or the folder of your own migration files, relative to this file."`
	Version    int        `yaml:"version" min:"1" doc:"Version that tenants stay at. Default: the newest."`
	URL        webAddress `yaml:"url" doc:"Where the service answers, for one of your own."`
	Table      string     `yaml:"table" pattern:"^[a-z_][a-z0-9_]{0,62}$" expect:"a name of a-z, 0-9 and underscores" doc:"Table in each tenant's schema that holds the version. Default: schema_migrations_SERVICE; schemas that golang-migrate made have schema_migrations."`
	Scope      string     `yaml:"scope" enum:"tenant,instance" doc:"Whether every tenant has the service's tables (tenant, the default) or the instance has them once. The builtin bus is the instance's without saying so."`
}

type defaults struct {
	Schema string `yaml:"schema" pattern:"[{]tenant[}]" expect:"a pattern with {tenant} in it, such as tenant_{tenant}" doc:"Name of a tenant's schema; {tenant} stands for its name with underscores for hyphens. Default: tenant_{tenant}."`
	Ring   string `yaml:"ring" doc:"Rollout ring. Default: general."`
	Limits limits `yaml:"limits" doc:"What one tenant may use."`
}

type limits struct {
	StatementTimeout  Duration `yaml:"statementTimeout" min:"1ms" max:"24h" doc:"How long one statement may run. Default: 30s."`
	RequestsPerSecond int      `yaml:"requestsPerSecond" min:"1" max:"1000000" doc:"Requests per second. Default: 200."`
	Jobs              int      `yaml:"jobs" min:"1" max:"1000" doc:"Background jobs that run at once. Default: 4."`
	Weight            int      `yaml:"weight" min:"1" max:"1000" doc:"Share of what is scarce, relative to other tenants. Default: 1."`
}

type rollout struct {
	Rings  []ring  `yaml:"rings" doc:"Groups of tenants that are upgraded one after the other, in this order. Default: one ring called general."`
	Budget *budget `yaml:"budget" doc:"How many tenants of a wave may fail before the rollout stops. Default: 3 tenants or 5 percent, whichever is less."`
	Gates  gates   `yaml:"gates" doc:"What must hold after each wave before the next one begins. Default: the database gate with its default limits."`
}

type ring struct {
	Name     string    `yaml:"name" required:"true" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" expect:"a-z, 0-9 and single hyphens" doc:"Name that tenants refer to."`
	Parallel int       `yaml:"parallel" min:"1" max:"1000" doc:"Tenants upgraded at once on each instance. Default: 8."`
	Waves    []Percent `yaml:"waves" doc:"How much of the ring is upgraded after each wave, rising to 100%. Default: 100% at once."`
	Bake     Duration  `yaml:"bake" min:"0s" max:"720h" doc:"Wait after each wave before its gate is judged. Default: 0s."`
}

type budget struct {
	Failures *int `yaml:"failures" min:"0" doc:"Tenants that may fail."`
	Percent  *int `yaml:"percent" min:"0" max:"100" doc:"Percent of the wave that may fail, rounded up."`
	// Consecutive counts in order of ending, over all instances.
	Consecutive int `yaml:"consecutive" min:"0" doc:"Tenants failing one after the other that stop the wave, whatever else is allowed. Default: 0, any number."`
}

type gates struct {
	Attempts int           `yaml:"attempts" min:"1" max:"100" doc:"How often a gate that doesn't pass is asked before its answer counts. Default: 3. What an HTTP gate calls a failure counts at once."`
	Interval Duration      `yaml:"interval" min:"1ms" max:"1h" doc:"Wait between two attempts, spread by chance. Default: 10s."`
	Database databaseGate  `yaml:"database" doc:"Looks at the instances on which a wave's tenants live. On by default."`
	Services servicesGate  `yaml:"services" doc:"Compares what running services answered to upgraded tenants, since the wave began, with what they answered to the others, by the metrics that they tell themselves. On by default."`
	Metrics  []metricsGate `yaml:"metrics" doc:"Compare, by Prometheus, requests of upgraded tenants with those of tenants not yet upgraded, told apart by the label schema_version: the service's version as a plain number."`
	HTTP     []httpGate    `yaml:"http" doc:"Ask a service of your own: the wave is sent to it by POST as JSON. 2xx without a body, or with {\"verdict\": \"pass\"}, passes; \"fail\" or 4xx (other than 408 and 429) fails; \"inconclusive\", any other answer or none pauses the rollout."`
}

type databaseGate struct {
	Off               bool     `yaml:"off" doc:"true switches this gate off."`
	LockWaiters       *int     `yaml:"lockWaiters" min:"0" doc:"Sessions that may wait for a lock for longer than waitedLongerThan. Default: 5."`
	WaitedLongerThan  Duration `yaml:"waitedLongerThan" min:"1ms" max:"1h" doc:"How long a session waits for a lock before it counts. Default: 1s."`
	ReplicationLag    Duration `yaml:"replicationLag" min:"1ms" max:"24h" doc:"How far the replay of a standby may be behind, in time. Default: 30s."`
	ReplicationBytes  Size     `yaml:"replicationBytes" doc:"How far the replay of a standby may be behind, in WAL. Default: 1GB."`
	SlotWAL           Size     `yaml:"slotWAL" doc:"How much WAL a replication slot may keep on the server. Default: 10GB."`
	OldestTransaction Duration `yaml:"oldestTransaction" min:"1s" max:"720h" doc:"How long a transaction may have been open. Default: 10m."`
	InvalidIndexes    *int     `yaml:"invalidIndexes" min:"0" doc:"Invalid indexes that the tenants of the wave may have on an instance. Default: 0."`
	Samples           int      `yaml:"samples" min:"1" max:"60" doc:"How often it looks, a second apart; the median counts. Default: 3."`
}

type servicesGate struct {
	Off             bool     `yaml:"off" doc:"true switches this gate off."`
	MinSamples      *int     `yaml:"minSamples" min:"1" doc:"Requests that either side needs to be compared. Default: 100."`
	MaxRatio        *float64 `yaml:"maxRatio" min:"1" doc:"How many times the others' number the upgraded tenants' may be. Fails only together with an increase. Default: 1.5."`
	ErrorIncrease   *float64 `yaml:"errorIncrease" min:"0" doc:"How much above the others' the upgraded tenants' share of requests answered 5xx may be. Default: 0.01."`
	LatencyIncrease Duration `yaml:"latencyIncrease" min:"1ms" max:"1h" doc:"How much above the others' the upgraded tenants' 99th percentile may be. Default: 100ms."`
	Quiet           Quiet    `yaml:"quiet" enum:"pass,pause" doc:"What too few requests come to: pass lets the next wave begin, pause stops the rollout until a person has decided. Default: pass."`
	Timeout         Duration `yaml:"timeout" min:"1ms" max:"1m" doc:"How long a process may take to answer. Default: 3s."`
}

type metricsGate struct {
	Name        string              `yaml:"name" required:"true" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" expect:"a-z, 0-9 and single hyphens" doc:"Name of the check. \"errors\" (share of requests answered 5xx) and \"latency\" (99th percentile, in seconds) have queries of their own."`
	Prometheus  webSecret           `yaml:"prometheus" required:"true" doc:"Address of Prometheus; ${VAR} where a secret goes."`
	Headers     ordered[headerText] `yaml:"headers" names:"header" doc:"Headers of each request; ${VAR} where a secret goes."`
	Query       string              `yaml:"query" doc:"PromQL that gives one number for each schema_version; more is worse. {service} and {window} (the bake, at least 1m) are filled in."`
	Samples     string              `yaml:"samples" doc:"PromQL that gives the number of requests for each schema_version. Default: the increase of http_requests_total over {window}."`
	Service     string              `yaml:"service" doc:"Service that the check is about. Default: each one that is upgraded."`
	MinSamples  *int                `yaml:"minSamples" min:"0" doc:"Requests that either side needs to be compared. Default: 100; 0 asks for none."`
	MaxRatio    *float64            `yaml:"maxRatio" min:"1" doc:"How many times the others' number the upgraded tenants' may be. Fails only together with maxIncrease. Default: 1.5."`
	MaxIncrease *float64            `yaml:"maxIncrease" min:"0" doc:"How much above the others' number the upgraded tenants' may be. Fails only together with maxRatio. Default: 0.01 for errors, 0.1 for latency, else 0."`
	Max         *float64            `yaml:"max" doc:"What the upgraded tenants' number may be, whatever the others' is; decides alone when there are no others to compare with."`
	Timeout     Duration            `yaml:"timeout" min:"1ms" max:"10m" doc:"How long an answer may take. Default: 10s."`
}

type httpGate struct {
	Name    string              `yaml:"name" required:"true" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" expect:"a-z, 0-9 and single hyphens" doc:"Name of the check."`
	URL     webSecret           `yaml:"url" required:"true" doc:"Where the wave is sent; ${VAR} where a secret goes."`
	Headers ordered[headerText] `yaml:"headers" names:"header" doc:"Headers of each request; ${VAR} where a secret goes."`
	Timeout Duration            `yaml:"timeout" min:"1ms" max:"10m" doc:"How long an answer may take. Default: 30s."`
}

type declaredTenant struct {
	Instance string       `yaml:"instance" doc:"Instance that holds the tenant. May be left out where there is only one."`
	Schema   string       `yaml:"schema" doc:"The tenant's schema there. Default: by the pattern in defaults."`
	Ring     string       `yaml:"ring" doc:"Rollout ring. Default: the one in defaults."`
	State    tenant.State `yaml:"state" enum:"active,suspended,archived,deleted" doc:"What the tenant is meant to be. Default: active."`
	Services []string     `yaml:"services" unique:"true" doc:"Services whose tables the tenant has. Default: all of scope tenant, or none for a legacy database that is moved without a mapping."`
	Limits   *limits      `yaml:"limits" doc:"What this tenant may use, where it differs from the defaults."`
	Legacy   *legacy      `yaml:"legacy" doc:"The client's own old database and application."`
	Upstream webAddress   `yaml:"upstream" doc:"Where the tenant's traffic goes after a move without a mapping: the legacy application, pointed at the tenant's schema."`
	Move     *move        `yaml:"move" doc:"Lets the operator move the legacy database. Without it, only \"tenantctl migrate\" does."`
	Deletion *deletion    `yaml:"deletion" doc:"Lets the operator remove the tenant for good, together with \"state: deleted\". Without it, only \"tenantctl delete\" does."`
}

type deletion struct {
	Confirm   string    `yaml:"confirm" required:"true" doc:"The tenant's name once more."`
	Retention *Duration `yaml:"retention" min:"0s" max:"87600h" doc:"How long the tenant is kept, out of service, after the operator first saw this. Default: 720h (30 days)."`
}

type legacy struct {
	connection `yaml:",inline"`
	Mapping    string     `yaml:"mapping" doc:"File that says how legacy rows become platform rows; relative to this file. Without it the schema is moved as it is."`
	URL        webAddress `yaml:"url" doc:"Where the legacy application answers."`
}

type move struct {
	Mode   string `yaml:"mode" enum:"auto,live,offline" doc:"live: writes go on while rows are copied. offline: writes stop first. auto (the default): live where it can be."`
	Until  string `yaml:"until" enum:"inspect,plan,provision,copy,index,follow,verify,cutover,complete" doc:"Last phase to run. Default: cutover; complete gives up the way back."`
	Window Window `yaml:"window" doc:"When the cutover may happen, such as \"Sat 02:00-05:00 Europe/Berlin\". Default: at any time."`
}
