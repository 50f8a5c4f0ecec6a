"""The demo district's device managements, simulated: Google Admin, Jamf School, Intune."""
