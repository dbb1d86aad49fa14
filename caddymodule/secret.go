package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// secretKey is where Caddy's storage keeps the secret that was made because none is configured.
const secretKey = "affiliate/secret"

// storageTimeout bounds the wait for Caddy's storage; a lock that a killed process left is taken over well before.
const storageTimeout = time.Minute

// howToSecret ends the errors about secrets.
const howToSecret = "make one with `openssl rand -hex 32`, give it to every node through its environment, " +
	"and write `secret {env.AFFILIATE_SECRET}` in the global option `affiliate`"

// configuredSealer builds the sealer from the configured secrets, or returns nil when there are none.
func (a *App) configuredSealer(repl *caddy.Replacer, log *slog.Logger) (*tracker.Sealer, error) {
	var secrets []string
	for i, configured := range a.Secrets {
		if configured != "" && !hasPlaceholder(configured) {
			warnLiteral(log, "secret")
		}
		secret, err := expand(repl, fmt.Sprintf("secret %d", i+1), configured)
		if err != nil {
			return nil, fmt.Errorf("%w; %s", err, howToSecret)
		}
		if secret = strings.TrimSpace(secret); slices.Contains(secrets, secret) {
			return nil, fmt.Errorf("secret %d is the same as one before it", i+1)
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, nil
	}
	sealer, err := tracker.NewSealer(secrets)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, howToSecret)
	}
	return sealer, nil
}

// isSecret reports whether s is one of the configured secrets.
func (a *App) isSecret(s string) bool {
	return slices.ContainsFunc(a.Secrets, func(configured string) bool {
		secret, err := expand(caddy.NewReplacer(), "a secret", configured)
		return err == nil && strings.TrimSpace(secret) == s // a secret that does not expand was refused with the app
	})
}

// storedSealer builds the sealer from the secret in Caddy's storage, which everything that shares the storage shares; the
// first to need it makes it.
func storedSealer(storage certmagic.Storage) (*tracker.Sealer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	secret, err := loadSecret(ctx, storage)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = makeSecret(ctx, storage)
	}
	if err != nil {
		return nil, err
	}
	sealer, err := tracker.NewSealer([]string{secret})
	if err != nil {
		return nil, fmt.Errorf("the secret in Caddy's storage at %s is damaged: %w", secretKey, err)
	}
	return sealer, nil
}

// makeSecret makes the secret unless another process was first.
func makeSecret(ctx context.Context, storage certmagic.Storage) (secret string, err error) {
	if err := storage.Lock(ctx, secretKey); err != nil {
		return "", fmt.Errorf("locking the secret in Caddy's storage: %w", err)
	}
	defer func() {
		if unlockErr := storage.Unlock(context.WithoutCancel(ctx), secretKey); unlockErr != nil && err == nil {
			err = fmt.Errorf("unlocking the secret in Caddy's storage: %w", unlockErr)
		}
	}()
	if secret, err := loadSecret(ctx, storage); !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	random := make([]byte, 32)
	rand.Read(random)
	secret = hex.EncodeToString(random)
	if err := storage.Store(ctx, secretKey, []byte(secret)); err != nil {
		return "", fmt.Errorf("storing a new secret in Caddy's storage: %w", err)
	}
	return secret, nil
}

func loadSecret(ctx context.Context, storage certmagic.Storage) (string, error) {
	secret, err := storage.Load(ctx, secretKey)
	if err != nil {
		return "", fmt.Errorf("loading the secret from Caddy's storage: %w", err)
	}
	return strings.TrimSpace(string(secret)), nil
}

// hasPlaceholder reports whether the value of s lies outside the configuration.
func hasPlaceholder(s string) bool {
	return strings.Contains(s, "{env.") || strings.Contains(s, "{file.")
}

// expand fills the placeholders {env.*} and {file.*}; one that is empty is an error that names the placeholder. Other
// braces stay as they are: they may be part of a password.
func expand(repl *caddy.Replacer, what, s string) (string, error) {
	if !hasPlaceholder(s) {
		return s, nil
	}
	expanded, err := repl.ReplaceOrErr(s, true, false)
	if err != nil {
		return "", fmt.Errorf("expanding %s: %w", what, err)
	}
	return expanded, nil
}

func warnLiteral(log *slog.Logger, option string) {
	log.Warn("a secret is written out in the configuration, where the admin API's config dump and Caddy's autosaved "+
		"config show it; write {env.NAME} or {file./path} instead", "option", option)
}
