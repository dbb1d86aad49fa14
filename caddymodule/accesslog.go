package caddymodule

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// accessLog writes the lines of the access log for requests that carry a secret where Caddy would show it: in the query or in a
// header such as X-Api-Key. Caddy copies a request for its log before any handler sees it, so nothing that a handler does
// changes the line; all that is left is to take the line out and to write the same one without the secret.
type accessLog struct {
	logger *zap.Logger // that of Caddy's own access log
	hide   string      // the request's path, if its last part is a secret
}

func newAccessLog(ctx caddy.Context) accessLog {
	return accessLog{logger: ctx.Logger(new(caddyhttp.App)).Named("log.access")}
}

// serve lets serve answer, and writes the line of a request that carries a secret itself.
func (l accessLog) serve(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request)) {
	logs := logsOf(r)
	if logs == nil {
		serve(w, r)
		return
	}
	shown, secret := redact(r, l.hide)
	if !secret {
		serve(w, r)
		return
	}
	names := loggerNames(logs, r)
	if skip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool); skip {
		names = nil
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)

	answer := caddyhttp.NewResponseRecorder(w, nil, nil)
	body := &countingBody{ReadCloser: r.Body}
	r.Body = body
	defer func() { l.write(names, shown, answer, body.n) }()
	serve(answer, r)
}

// redact returns a copy of the request as it came, for the log and without secrets, and whether it has any.
func redact(r *http.Request, hide string) (shown *http.Request, secret bool) {
	uri := r.RequestURI
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		uri = original.RequestURI
	}
	header, secret := redactHeader(r.Header)
	clean := redactURI(uri)
	if hide != "" {
		_, query, _ := strings.Cut(clean, "?")
		clean = hide[:strings.LastIndex(hide, "/")+1] + redacted + "?" + query
	}
	if clean == uri && !secret {
		return nil, false
	}
	shown = r.Clone(r.Context())
	shown.RequestURI, shown.Header = clean, header
	return shown, true
}

// write writes the line with the fields of Caddy's own, but for those that log_append adds: no handler can read them.
func (l accessLog) write(names []string, r *http.Request, answer caddyhttp.ResponseRecorder, read int) {
	level := zapcore.InfoLevel
	if answer.Status() >= http.StatusInternalServerError {
		level = zapcore.ErrorLevel
	}
	if name, ok := caddyhttp.GetVar(r.Context(), caddyhttp.LogLevelVar).(string); ok {
		if chosen, err := zapcore.ParseLevel(name); err == nil && chosen >= zapcore.DebugLevel && chosen <= zapcore.ErrorLevel {
			level = chosen
		}
	}
	credentials := logsOf(r).ShouldLogCredentials
	user := ""
	if replacer, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		user, _ = replacer.GetString("http.auth.user.id")
	}
	started, _ := caddyhttp.GetVar(r.Context(), "start_time").(time.Time)
	for _, name := range names {
		logger := l.logger
		if name != "" {
			logger = logger.Named(name)
		}
		if c := logger.Check(level, "handled request"); c != nil {
			c.Write(
				zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r, ShouldLogCredentials: credentials}),
				zap.Int("bytes_read", read),
				zap.String("user_id", user),
				zap.Duration("duration", time.Since(started)),
				zap.Int("size", answer.Size()),
				zap.Int("status", answer.Status()),
				zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: answer.Header(), ShouldLogCredentials: credentials}),
			)
		}
	}
}

// logsOf is how the request's server logs; nil for one that has no access log.
func logsOf(r *http.Request) *caddyhttp.ServerLogConfig {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	return server.Logs
}

// loggerNames are those of the loggers to which Caddy would write the request's line, as its server chooses them: "" is the
// default one, none is that the request is not logged.
func loggerNames(logs *caddyhttp.ServerLogConfig, r *http.Request) []string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	patterns := wildcards(strings.ToLower(host))
	names, mapped := []string{logs.DefaultLoggerName}, false
	for _, pattern := range patterns {
		if mine, ok := logs.LoggerNames[pattern]; ok {
			names, mapped = mine, true
			break
		}
	}
	skipped := logs.SkipUnmappedHosts || slices.ContainsFunc(logs.SkipHosts, func(host string) bool {
		return slices.Contains(patterns, strings.ToLower(host))
	})
	if skipped && !mapped {
		return nil
	}
	if given, ok := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any); ok {
		names = nil
		for _, name := range given {
			if text, ok := name.(string); ok {
				names = append(names, text)
			}
		}
	}
	return names
}

// wildcards are the names in a configuration that stand for the host: itself, and with its labels replaced from the left.
func wildcards(host string) []string {
	patterns := []string{host}
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if label != "" {
			labels[i] = "*"
			patterns = append(patterns, strings.Join(labels, "."))
		}
	}
	return patterns
}

// countingBody counts what is read of a body.
type countingBody struct {
	io.ReadCloser
	n int
}

// Read implements io.Reader.
func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += n
	return n, err
}
