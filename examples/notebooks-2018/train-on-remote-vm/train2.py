# Needs no package: shows that a bare interpreter on the remote machine runs a script.
print('####################################')
print('this script needs nothing but Python')
print('####################################')
