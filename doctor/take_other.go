//go:build !linux

package doctor

import "errors"

// take is possible on Linux only, where ids belong to threads.
func (id Identity) take() error {
	return errors.New("looking as another user works on Linux only; run doctor as " + id.Name)
}
