// Package servers starts the real Redis and PostgreSQL that the tests run against, and stands between them and the code
// under test to break things.
//
// Each server is a process of its own on a free loopback port with its data in a temporary directory. It ends with the
// test that started it, and with the test binary whatever ends that. A missing server fails the test: nothing is skipped.
// The package is for Unix; tests of the faults need its signals.
package servers
