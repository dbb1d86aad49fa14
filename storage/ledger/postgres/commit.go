package postgres

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// ErrUncertain is returned for a commit that PostgreSQL answered with a warning. It says so when the wait for a standby was
// cancelled: the commit is visible, and may be gone after a failover (protocol L4).
var ErrUncertain = errors.New("it is not certain that the commit will last")

// warningKey is where a connection keeps the last warning that it received.
const warningKey = "affiliate_warning"

func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		conn.CustomData()[warningKey] = fmt.Sprintf("%s (SQLSTATE %s)", n.Message, n.Code)
	}
}

// commit commits, and takes a warning that comes with the answer for an error.
func commit(conn *sql.Conn, tx *sql.Tx) error {
	if _, err := takeWarning(conn); err != nil { // an earlier one says nothing of this commit
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	warning, err := takeWarning(conn)
	if err != nil {
		return err
	}
	if warning != "" {
		return fmt.Errorf("%w: %s", ErrUncertain, warning)
	}
	return nil
}

// takeWarning returns the connection's last warning and forgets it.
func takeWarning(conn *sql.Conn) (warning string, err error) {
	err = conn.Raw(func(driver any) error {
		data := driver.(*stdlib.Conn).Conn().PgConn().CustomData()
		warning, _ = data[warningKey].(string)
		delete(data, warningKey)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("looking for warnings: %w", err)
	}
	return warning, nil
}
