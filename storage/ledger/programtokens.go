package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AddTokens stores the tokens of a group or a user that has none for the programme. ErrExists: it has some; tracker.Invalid:
// f breaks a rule.
func (l *Ledger) AddTokens(ctx context.Context, network string, f tracker.TokensFields) (tracker.ProgramTokens, error) {
	return l.storeTokens(ctx, network, f, func(old tracker.ProgramTokens) error {
		if old.ID != "" {
			return fmt.Errorf("program %w", ErrExists)
		}
		return nil
	})
}

// PutTokens stores the tokens of a group or a user in the place of those that it has for the programme, if any.
// tracker.Invalid: f breaks a rule.
func (l *Ledger) PutTokens(ctx context.Context, network string, f tracker.TokensFields) (tracker.ProgramTokens, error) {
	return l.storeTokens(ctx, network, f, func(tracker.ProgramTokens) error { return nil })
}

func (l *Ledger) storeTokens(
	ctx context.Context, network string, f tracker.TokensFields, allow func(old tracker.ProgramTokens) error,
) (stored tracker.ProgramTokens, err error) {
	if err := f.Check(); err != nil {
		return stored, fmt.Errorf("storing program tokens: %w", err)
	}
	err = l.change(ctx, func(c *catalog) error {
		group, holder := holderOf(f)
		old, err := only(readTokens(ctx, c.tx, ` WHERE network = $1 AND group_id = $2 AND holder = $3 AND program = $4`,
			network, group, holder, f.Program))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := allow(old); err != nil {
			return err
		}
		stored, err = c.setTokens(ctx, network, old, f)
		return err
	})
	if err != nil {
		return tracker.ProgramTokens{}, fmt.Errorf("storing program tokens: %w", err)
	}
	return stored, nil
}

// holderOf returns the two columns that say whose tokens are.
func holderOf(f tracker.TokensFields) (group int64, holder string) {
	if f.GroupID == nil {
		return ofUser, f.Username
	}
	return int64(*f.GroupID), ""
}

// ofUser is the group of tokens that are a user's own.
const ofUser = -1

// setTokens stores f in the place of old, which is zero if there is none. The same again changes nothing.
func (c *catalog) setTokens(
	ctx context.Context, network string, old tracker.ProgramTokens, f tracker.TokensFields,
) (tracker.ProgramTokens, error) {
	next := tracker.ProgramTokens{ID: old.ID, Network: network, TokensFields: f, CreatedAt: c.at(), UpdatedAt: c.at()}
	group, holder := holderOf(f)
	parameters, hosts := object(f.Parameters), array(f.Hosts)
	if old.ID == "" {
		next.ID = newGUID()
		if err := c.network(ctx, network); err != nil {
			return next, err
		}
		c.tellTokens(next)
		return next, c.exec(ctx, "adding program tokens", `INSERT INTO program_tokens
			(id, network, group_id, holder, program, username, parameters, hosts, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`,
			next.ID, network, group, holder, f.Program, f.Username, parameters, hosts, millis(c.now))
	}
	next.CreatedAt = old.CreatedAt
	if old.Username == f.Username && object(old.Parameters) == parameters && array(old.Hosts) == hosts {
		return old, nil
	}
	c.tellTokens(next)
	return next, c.exec(ctx, "changing program tokens", `UPDATE program_tokens
		SET username = $3, parameters = $4, hosts = $5, updated_at = $6 WHERE network = $1 AND id = $2`,
		network, old.ID, f.Username, parameters, hosts, millis(c.now))
}

// Tokens returns the tokens that the filter selects, by programme.
func (l *Ledger) Tokens(ctx context.Context, network string, f tracker.TokensFilter) ([]tracker.ProgramTokens, error) {
	group := int64(ofUser)
	if f.GroupID != nil {
		group = int64(*f.GroupID)
	}
	s := selectOf(`network`, network)
	s.and(`group_id = ?`, group)
	andIf(s, `username = ?`, f.Username)
	tokens, err := readTokens(ctx, l.db.Read, s.text+` ORDER BY program, holder`, s.args...)
	return tokens, l.told(err)
}

// DeleteTokens takes tokens away. ErrNotFound: the network has none of that id.
func (l *Ledger) DeleteTokens(ctx context.Context, network, id string) error {
	err := l.change(ctx, func(c *catalog) error {
		old, err := only(readTokens(ctx, c.tx, ` WHERE network = $1 AND id = $2`, network, id))
		if err != nil {
			return err
		}
		c.tellTokens(old)
		return c.exec(ctx, "deleting program tokens", `DELETE FROM program_tokens WHERE network = $1 AND id = $2`, network, id)
	})
	if err != nil {
		return fmt.Errorf("taking program tokens away: %w", err)
	}
	return nil
}

// tellTokens notes that the tokens of a group were put or deleted. Those of a user stay here.
func (c *catalog) tellTokens(t tracker.ProgramTokens) {
	if t.GroupID == nil {
		return
	}
	subject := tracker.GroupSubject(*t.GroupID, t.Program)
	kind := tracker.EventGroupTokens
	c.events.tell(happened{kind: kind, network: t.Network, subject: subject, lane: string(kind) + " " + subject, n: c.next()})
}

// groupTokensEvent adds what the group has for the programme now.
func (l *Ledger) groupTokensEvent(ctx context.Context, e *tracker.Event) error {
	group, program, ok := tracker.ParseGroupSubject(e.Subject)
	if !ok {
		return ErrNotFound
	}
	tokens, err := only(readTokens(ctx, l.db.Read, ` WHERE network = $1 AND group_id = $2 AND holder = '' AND program = $3`,
		e.Network, int64(group), program))
	if errors.Is(err, ErrNotFound) {
		e.Gone = true
		return nil
	}
	e.GroupTokens = &tokens
	return l.told(err)
}

func readTokens(ctx context.Context, q queryer, where string, args ...any) ([]tracker.ProgramTokens, error) {
	return readAll(ctx, q, "program tokens", scanTokens, `SELECT id, network, group_id, program, username, parameters, hosts,
		created_at, updated_at FROM program_tokens`+where, args...)
}

func scanTokens(rows *sql.Rows) (tracker.ProgramTokens, error) {
	var t tracker.ProgramTokens
	var group, created, updated int64
	var parameters, hosts string
	err := rows.Scan(&t.ID, &t.Network, &group, &t.Program, &t.Username, &parameters, &hosts, &created, &updated)
	if err != nil {
		return t, err
	}
	if group != ofUser {
		id := uint32(group)
		t.GroupID = &id
	}
	t.CreatedAt, t.UpdatedAt = fromMillis(created), fromMillis(updated)
	err = errors.Join(json.Unmarshal([]byte(parameters), &t.Parameters), json.Unmarshal([]byte(hosts), &t.Hosts))
	return t, err
}

// parseTokens reads what a link has of its group's tokens; most have none.
func parseTokens(parameters, hosts string) (*tracker.LinkTokens, error) {
	if parameters == "" {
		return nil, nil
	}
	var pairs map[string]string
	if err := json.Unmarshal([]byte(parameters), &pairs); err != nil {
		return nil, fmt.Errorf("reading the programme's parameters: %w", err)
	}
	covered, err := parseHosts(hosts)
	return tracker.NewLinkTokens(pairs, covered), err
}

// at is the catalog's time as the ledger keeps it.
func (c *catalog) at() time.Time { return fromMillis(millis(c.now)) }

// newGUID returns 32 random hexadecimal digits, as .NET writes a GUID in its format "N".
func newGUID() string {
	id := uuid.New()
	return hex.EncodeToString(id[:])
}
