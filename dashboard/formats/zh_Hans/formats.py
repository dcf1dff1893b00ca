"""Numbers in groups of three, as people in China write them (GB/T 15835-2011).

Django groups by four. https://docs.djangoproject.com/en/stable/topics/i18n/formatting/
"""

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
